"""The evaluators of OpenMask3D, OpenMask3D++ and Mask3D on ScanNet200."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from om3d_core.evaluation.assign import Candidates, label_predictions
from om3d_core.evaluation.benchmark import (
    THRESHOLDS,
    BenchmarkResult,
    count_instances,
    evaluate_scenes,
    summary_of,
)
from om3d_core.evaluation.label_sets import GROUPS, LabelSet, load_label_set
from om3d_core.evaluation.protocols import PROTOCOLS, Protocol
from om3d_core.masks import InstanceMasks
from parity.kinds import Fixture

Load = Callable[[str], Fixture]
TOLERANCE = 1e-9
PAPER = PROTOCOLS["paper"]
GIVEN = replace(PAPER, uniform_scores=False)
OPENMASK3D = replace(PAPER, carry_average_recall=True)

# name in the fixture: (candidate labels, protocol)
VARIANTS = {
    "pp_top1": ("classes1", GIVEN),
    "pp_top5": ("classes5", GIVEN),
    "pp_top1_ones": ("classes1", PAPER),
    "pp_top5_ones": ("classes5", PAPER),
    "om3d": ("classes1", replace(OPENMASK3D, uniform_scores=False)),
    "om3d_ones": ("classes1", OPENMASK3D),
    "mask3d_benchmark": ("classes1", GIVEN),
}


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("evaluation")


def evaluate(stored: Fixture, kind: str, labels: LabelSet, protocol: Protocol) -> BenchmarkResult:
    protocol = replace(protocol, min_region_points=int(stored.info.get("min_region_size", 100)))
    scenes = []
    for i in range(int(stored["n_scenes"])):
        n_points = int(stored[f"s{i}_n_points"])
        dense = np.unpackbits(stored[f"s{i}_masks"], axis=0)[:n_points]
        masks = InstanceMasks.from_dense(dense)
        counts = count_instances(masks, stored[f"s{i}_gt"], stored[f"s{i}_scores"])
        counts = counts.against(labels, protocol)
        ids = stored[f"s{i}_{kind}"]
        ids = ids if ids.ndim == 2 else ids[:, None]
        candidates = Candidates(ids, np.ones(ids.shape))
        scenes.append(label_predictions(counts, candidates, labels, protocol))
    return evaluate_scenes(scenes, labels, protocol)


def assert_equal_results(stored: Fixture, prefix: str, result: BenchmarkResult) -> None:
    """Everything that the fixture holds under ``prefix``; at least the AP of each class."""
    computed = {
        "ap": result.ap,
        "class_ap": result.class_ap,
        "all": result.mean,
        "head_common_tail": result.group_means,
        "rc": result.recall,
        "ar": result.average_recall,
        "pcdc": result.found_categories,
        "rc_all": np.nanmean(summary_of(result.recall), axis=0),
        "pcdc_all": np.nanmean(summary_of(result.found_categories), axis=0),
    }
    names = [name for name in computed if f"{prefix}_{name}" in stored.arrays]
    assert {"ap", "class_ap", "all"} <= set(names)
    for name in names:
        expected = stored[f"{prefix}_{name}"]
        np.testing.assert_allclose(
            computed[name], expected, rtol=0, atol=TOLERANCE, err_msg=f"{prefix}_{name}"
        )


def test_label_set(stored: Fixture) -> None:
    labels = load_label_set("scannet200").scored
    np.testing.assert_array_equal(labels.ids, stored["label_ids"])
    assert list(labels.names) == stored["labels"].tolist()
    assert [GROUPS.index(g) for g in labels.groups] == stored["label_group"].tolist()
    np.testing.assert_allclose(THRESHOLDS, stored["overlaps"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_results(stored: Fixture, variant: str) -> None:
    kind, protocol = VARIANTS[variant]
    result = evaluate(stored, kind, load_label_set("scannet200").scored, protocol)
    assert_equal_results(stored, variant, result)

"""The evaluators of OpenMask3D, OpenMask3D++ and Mask3D on ScanNet200."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from om3d_core.data.masks import InstanceMasks
from om3d_core.evaluation.assign import Candidates, label_predictions
from om3d_core.evaluation.benchmark import (
    THRESHOLDS,
    BenchmarkResult,
    GroundTruthCounts,
    count_instances,
    evaluate_scenes,
    summary_of,
)
from om3d_core.evaluation.protocols import PROTOCOLS, Protocol
from om3d_core.sources.datasets.label_sets import GROUPS, LabelSet, load_label_set
from parity.kinds import Fixture

Load = Callable[[str], Fixture]
PAPER = PROTOCOLS["paper"]
CODES = {
    "": PAPER,
    "pp": PAPER,
    "mask3d_benchmark": PAPER,
    "om3d": replace(PAPER, carry_average_recall=True),
}
"""The rules of each evaluator, by the start of its results' names."""

VARIANT = rf"(?P<code>{'|'.join(CODES)})_?(top(?P<k>\d+))?_?(?P<ones>ones)?"


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("evaluation")


def variants(stored: Fixture) -> Iterator[tuple[str, str, Protocol]]:
    """The start of the names of each result, its candidate labels and its rules."""
    for match in stored.matches(rf"(?P<name>{VARIANT})_class_ap"):
        protocol = replace(rules(stored, CODES[match["code"]]), uniform_scores=bool(match["ones"]))
        yield match["name"], f"classes{match['k'] or 1}", protocol


def rules(stored: Fixture, protocol: Protocol = PAPER) -> Protocol:
    """With the smallest region of the fixture."""
    smallest = stored.info.get("min_region_size", protocol.min_region_points)
    return replace(protocol, min_region_points=int(smallest))


def n_scenes(stored: Fixture) -> int:
    count = int(stored["n_scenes"])
    assert count > 0
    return count


def scene_masks(stored: Fixture, i: int) -> np.ndarray:
    """(P, N) bool"""
    return np.unpackbits(stored[f"s{i}_masks"], axis=0)[: int(stored[f"s{i}_n_points"])] > 0


def scene_counts(
    stored: Fixture, i: int, labels: LabelSet, protocol: Protocol
) -> GroundTruthCounts:
    masks = InstanceMasks.from_dense(scene_masks(stored, i))
    counts = count_instances(masks, stored[f"s{i}_gt"], stored[f"s{i}_scores"])
    return counts.against(labels, protocol)


def evaluate(stored: Fixture, kind: str, labels: LabelSet, protocol: Protocol) -> BenchmarkResult:
    scenes = []
    for i in range(n_scenes(stored)):
        ids = stored[f"s{i}_{kind}"]
        ids = ids if ids.ndim == 2 else ids[:, None]
        counts = scene_counts(stored, i, labels, protocol)
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
    assert not np.isnan(stored[f"{prefix}_all"]).any()
    for name in names:
        np.testing.assert_allclose(
            computed[name],
            stored[f"{prefix}_{name}"],
            rtol=0,
            atol=stored.tolerance("", 1e-9),
            err_msg=f"{prefix}_{name}",
        )


def assert_equal_labels(stored: Fixture, labels: LabelSet) -> None:
    np.testing.assert_array_equal(labels.ids, stored["label_ids"])
    assert list(labels.names) == stored["labels"].tolist()
    assert [GROUPS.index(g) for g in labels.groups] == stored["label_group"].tolist()
    np.testing.assert_allclose(THRESHOLDS, stored["overlaps"], rtol=0, atol=1e-12)


def test_label_set(stored: Fixture) -> None:
    assert_equal_labels(stored, load_label_set("scannet200").scored)


def test_results(stored: Fixture) -> None:
    labels = load_label_set("scannet200").scored
    for prefix, kind, protocol in variants(stored):
        assert_equal_results(stored, prefix, evaluate(stored, kind, labels, protocol))

"""The evaluator of OpenMask3D++ with the 1,659 classes of ScanNet++."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from om3d_core.evaluation.benchmark import INSTANCES_A_LABEL
from om3d_core.sources.datasets.label_sets import load_label_set
from parity.kinds import Fixture
from parity.test_evaluation import (
    Load,
    assert_equal_labels,
    assert_equal_results,
    evaluate,
    n_scenes,
    rules,
    scene_counts,
    scene_masks,
    variants,
)


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("evaluation_scannetpp")


def test_label_set(stored: Fixture) -> None:
    assert_equal_labels(stored, load_label_set("scannetpp"))


def test_results(stored: Fixture) -> None:
    labels = load_label_set("scannetpp")
    for prefix, kind, protocol in variants(stored):
        result = evaluate(stored, kind, labels, protocol)
        assert_equal_results(stored, prefix, result)
        assert np.isnan(result.ap[0]).all()


def test_points_without_a_label_are_void_unless_zero_is_a_class(stored: Fixture) -> None:
    labels, faithful = load_label_set("scannetpp"), rules(stored)
    fixed = replace(faithful, zero_is_a_class=False)
    for i in range(n_scenes(stored)):
        masks, truth = scene_masks(stored, i), stored[f"s{i}_gt"]
        outside = ~np.isin(truth // INSTANCES_A_LABEL, labels.ids)
        for protocol, void in ((faithful, outside), (fixed, outside | (truth == 0))):
            ignored = scene_counts(stored, i, labels, protocol).overlaps.ignored
            np.testing.assert_array_equal(ignored, masks[void].sum(axis=0))


def test_walls_are_scored_unless_zero_is_a_class(stored: Fixture) -> None:
    labels, fixed = load_label_set("scannetpp"), replace(rules(stored), zero_is_a_class=False)
    sizes = [
        np.bincount(truth[(truth > 0) & (truth < INSTANCES_A_LABEL)]).max(initial=0)
        for truth in (stored[f"s{i}_gt"] for i in range(n_scenes(stored)))
    ]
    unscored = np.isnan(evaluate(stored, "classes1", labels, fixed).ap[0]).all()
    assert unscored != (max(sizes) >= fixed.min_region_points)

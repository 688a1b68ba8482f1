"""The evaluator of OpenMask3D++ with the 1,659 classes of ScanNet++."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from om3d_core.evaluation.label_sets import GROUPS, load_label_set
from parity.kinds import Fixture
from parity.test_evaluation import PAPER, Load, assert_equal_results, evaluate


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("evaluation_scannetpp")


def test_label_set(stored: Fixture) -> None:
    labels = load_label_set("scannetpp")
    np.testing.assert_array_equal(labels.ids, stored["label_ids"])
    assert list(labels.names) == stored["labels"].tolist()
    assert [GROUPS.index(g) for g in labels.groups] == stored["label_group"].tolist()


@pytest.mark.parametrize("variant, kind", [("top1_ones", "classes1"), ("top5_ones", "classes5")])
def test_results(stored: Fixture, variant: str, kind: str) -> None:
    result = evaluate(stored, kind, load_label_set("scannetpp"), PAPER)
    assert_equal_results(stored, variant, result)
    assert np.isnan(result.ap[0]).all()


def test_points_without_a_label_are_void_unless_zero_is_a_class(stored: Fixture) -> None:
    labels = load_label_set("scannetpp")
    fixed = evaluate(stored, "classes1", labels, replace(PAPER, zero_is_a_class=False))
    faithful = evaluate(stored, "classes1", labels, PAPER)
    truths = [stored[f"s{i}_gt"] for i in range(int(stored["n_scenes"]))]
    differs = ~np.isclose(fixed.ap, faithful.ap, equal_nan=True)
    assert differs.any() or not any((truth < 1000).any() for truth in truths)
    sizes = [np.bincount(truth[truth > 0], minlength=1000)[:1000] for truth in truths]
    has_wall = any((size >= PAPER.min_region_points).any() for size in sizes)
    assert has_wall != np.isnan(fixed.ap[0]).all()

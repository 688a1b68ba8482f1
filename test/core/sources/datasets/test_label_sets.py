"""Label sets and scene lists are complete and consistent."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.errors import InputError, SettingsError
from om3d_core.sources.datasets.label_sets import (
    GROUPS,
    LABEL_SETS,
    LabelSet,
    label_set_of,
    load_label_set,
    paper_scenes,
)


def group_sizes(labels: LabelSet) -> list[int]:
    return [int(labels.in_group(group).sum()) for group in GROUPS]


def test_scannet200() -> None:
    labels = load_label_set("scannet200")
    assert len(labels) == 200 and group_sizes(labels) == [66, 68, 66]
    assert len(labels.scored) == 198 and group_sizes(labels.scored) == [64, 68, 66]
    assert {labels.names[i] for i in np.flatnonzero(~labels.evaluated)} == {"wall", "floor"}
    assert (labels.id_of["wall"], labels.id_of["chair"], labels.id_of["mattress"]) == (1, 2, 1191)


def test_scannetpp() -> None:
    labels = load_label_set("scannetpp")
    assert len(labels) == len(labels.scored) == 1659
    assert group_sizes(labels) == [248, 248, 1163]
    np.testing.assert_array_equal(labels.ids, np.arange(1659))
    assert labels.names[:3] == ("wall", "ceiling", "floor")


def test_replica() -> None:
    labels = load_label_set("replica")
    assert (labels.id_of["wall"], labels.id_of["floor"]) == (93, 40)
    assert "undefined" not in labels.scored.names and len(labels) == 102


@pytest.mark.parametrize("name", LABEL_SETS)
def test_scene_lists(name: str) -> None:
    scenes = paper_scenes(name)
    assert len(set(scenes)) == len(scenes) == (8 if name == "replica" else 40)
    assert all(scene == scene.strip() and scene for scene in scenes)


def test_the_paper_takes_the_first_of_the_validation_split() -> None:
    scenes = paper_scenes("scannet200")
    assert (scenes[0], scenes[-1]) == ("scene0011_00", "scene0100_02")
    assert list(scenes) == sorted(scenes)


def test_rows_of_ids() -> None:
    labels = LabelSet("s", np.array([7, 3, 5]), ("a", "b", "c"), ("",) * 3, np.ones(3, bool))
    np.testing.assert_array_equal(labels.index_of(np.array([[5, 4], [7, -1]])), [[2, -1], [0, -1]])
    none = labels.index_of(np.zeros(0, np.int64))
    assert len(none) == 0
    empty = label_set_of([])
    np.testing.assert_array_equal(empty.index_of(np.array([1, 2])), [-1, -1])


def test_own_label_sets() -> None:
    labels = label_set_of(["floor", "mug"], frozenset({"floor"}))
    assert labels.scored.names == ("mug",) and labels.scored.ids.tolist() == [2]


def test_wrong_label_sets() -> None:
    with pytest.raises(SettingsError, match="scannet200"):
        load_label_set("../scannet200")
    with pytest.raises(SettingsError, match="data set"):
        paper_scenes("kitti")
    with pytest.raises(InputError, match="unique label names"):
        label_set_of(["mug", "mug"])
    with pytest.raises(InputError, match="names, groups and flags"):
        LabelSet("s", np.arange(2), ("a",), ("",), np.ones(2, bool))
    with pytest.raises(InputError, match="groups out of"):
        LabelSet("s", np.arange(1), ("a",), ("rare",), np.ones(1, bool))

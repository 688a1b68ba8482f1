"""What is right by instance: the thing and most of it, not what is much larger or a corner."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.labeled_things import (
    FLOOR,
    MUG,
    POINTS,
    SHELF,
    TABLE,
    TRUTH,
    of,
    on,
    scene_of,
    shelf_without_back,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.errors import InputError
from om3d_core.evaluation.instance_truth import MIN_IOU, InstanceOverlaps
from om3d_core.evaluation.query_file import LabeledQuery
from om3d_core.evaluation.query_hits import evaluate_queries


def right(members, *instances, structure=None):
    scene = scene_of(members, structure=structure)
    return bool(InstanceOverlaps.of(scene, TRUTH).hits(instances)[0])


def test_the_thing_itself_is_right():
    for name in (TABLE, MUG, SHELF):
        assert right(of(name), name)
    assert right(of(MUG), TABLE, MUG) and not right(of(MUG), TABLE, SHELF)


def test_a_shelf_without_its_back_panel_is_right():
    frame, middle = shelf_without_back()
    assert right(frame, SHELF)
    at_the_panel = LabeledQuery("shelf", middle[None], 0.06, 3.7)
    assert not ask(frame, at_the_panel).right, "the position would have it wrong"
    both = LabeledQuery("shelf", middle[None], 0.06, 3.7, (SHELF,))
    assert ask(frame, both).right


def test_a_table_top_that_holds_the_mug_is_wrong():
    assert not right(of(TABLE, MUG), MUG)
    assert right(of(TABLE, MUG), TABLE)
    lax = LabeledQuery("mug", np.array([[0.44, 0.44, 0.76]]), 0.06, 2.0)
    assert ask(of(TABLE, MUG), lax).right, "the position would have it right"
    assert not ask(of(TABLE, MUG), replace(lax, instances=(MUG,))).right


def test_a_mug_with_a_little_of_the_table_is_right_and_with_much_wrong():
    little = np.concatenate([of(MUG), on(TABLE, (0.36, 0.36, 0.7), (0.54, 0.54, 0.7))])
    much = np.concatenate([of(MUG), on(TABLE, (0.1, 0.1, 0.7), (0.7, 0.7, 0.7))])
    assert right(little, MUG) and not right(much, MUG)


def test_a_corner_of_the_thing_is_wrong():
    assert not right(on(SHELF, (3, 0, 1.2), (3, 0.3, 1.6)), SHELF)
    assert right(on(SHELF, (3, 0, 0), (4, 0.3, 0.8)), SHELF)


def test_structure_is_never_right():
    assert not right(of(TABLE), TABLE, structure=[True])
    for unknown in (FLOOR, 77):
        with pytest.raises(InputError, match=rf"objects in the ground truth, got \[{unknown}"):
            right(of(FLOOR), TABLE, unknown)


def test_a_map_far_from_the_truth_is_wrong():
    scene = scene_of(of(MUG))
    cloud = Cloud(scene.cloud.points + np.float32(5), scene.cloud.colors, scene.cloud.normals)
    moved = replace(scene, cloud=cloud)
    assert InstanceOverlaps.of(moved, TRUTH).iou.max() == 0


PICKED = st.sets(st.integers(0, len(POINTS) - 1), min_size=1, max_size=40)


@given(st.lists(PICKED, min_size=1, max_size=4),
       st.sampled_from([TABLE, MUG, SHELF]), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_hits_equal_the_definition(picked, name, whole):
    members = [np.array(sorted(p), int) for p in picked]
    members[0] = np.union1d(members[0], of(name)[: max(1, len(of(name)) * whole // 3)])
    expected = [len(np.intersect1d(m, of(name))) >= MIN_IOU * len(np.union1d(m, of(name)))
                for m in members]
    hits = InstanceOverlaps.of(scene_of(*members), TRUTH).hits([name])
    assert hits.tolist() == expected


def ask(members, query):
    match = SimpleNamespace(index=0, instance_id=50, similarity=1.0, present=True)
    answer = SimpleNamespace(matches=(match,))
    return evaluate_queries(lambda _: answer, scene_of(members), [query], TRUTH).results[0]


def test_queries_with_and_without_instances_in_one_file():
    scene = scene_of(of(MUG), of(SHELF))
    matches = [SimpleNamespace(index=i, instance_id=50 + i, similarity=1.0, present=True)
               for i in range(2)]
    answer = SimpleNamespace(matches=tuple(matches))
    none = np.zeros((0, 3))
    queries = [
        LabeledQuery("a mug", none, instances=(MUG,)),
        LabeledQuery("a shelf", none, instances=(SHELF,)),
        LabeledQuery("a table", none, instances=(TABLE,)),
        LabeledQuery("a cup", np.array([[0.44, 0.44, 0.76]]), 0.06, 0.5),
        LabeledQuery("a bicycle", none),
    ]
    quality = evaluate_queries(lambda _: answer, scene, queries, TRUTH)
    assert [result.rank for result in quality.results] == [1, 2, None, 1, None]
    assert [result.attainable for result in quality.results[:3]] == [True, True, False]
    assert [result.absent for result in quality.results] == [False] * 4 + [True]
    with pytest.raises(InputError, match="the ground truth of the instances"):
        evaluate_queries(lambda _: answer, scene, queries)

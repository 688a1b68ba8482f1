"""Query evaluation: the definition of a hit, fractions, oracles."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.answers import make_answer, make_match
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import ViewTable
from om3d_core.errors import InputError
from om3d_core.evaluation.query_file import LabeledQuery, read_queries
from om3d_core.evaluation.query_hits import evaluate_queries, self_check

# Instances on the x axis: a mug at 0, a plate at 1, a long shelf from 2 to 4, the floor below.
MUG, PLATE, SHELF, FLOOR = 0, 1, 2, 3


def make_scene():
    blocks = [
        [[0, 0, 0], [0.1, 0, 0.1], [0.1, 0.1, 0]],
        [[1, 0, 0], [1.2, 0, 0], [1.2, 0.2, 0]],
        [[2, 0, 0], [3, 0, 0.3], [4, 0, 0]],
        [[0, 0, -1], [2, 0, -1], [2, 2, -1]],
    ]
    points = np.concatenate(blocks).astype(np.float32)
    owner = np.repeat(np.arange(4), 3)
    masks = InstanceMasks.from_lists(
        [np.flatnonzero(owner == i) for i in range(4)], 12,
        structure=[False, False, False, True],
    )
    return Scene(
        revision=1,
        cloud=Cloud(points, np.zeros((12, 3), np.uint8), np.zeros((12, 3), np.float32)),
        masks=masks,
        ids=np.array([10, 11, 12, 13]),
        up=np.array([0.0, 0, 1]),
        views=ViewTable.empty(4, 1),
        features=(),
        thumbnails=((),) * 4,
        labels=("",) * 4,
    )


def answer(*order, present=True):
    return make_answer(make_scene(), *order, present=present)


def ask(query, *order, present=True):
    quality = evaluate_queries(lambda text: answer(*order, present=present), make_scene(), [query])
    return quality.results[0]


def thing(*positions, radius=0.05, extent=0.5, text="thing"):
    return LabeledQuery(text, np.array(positions, float).reshape(-1, 3), radius, extent)


@pytest.mark.parametrize(
    ("query", "first", "is_hit"),
    [
        (thing([0, 0, 0]), MUG, True),
        (thing([0, 0, 0]), PLATE, False),
        (thing([5, 5, 5], [0.1, 0, 0.1]), MUG, True),
        (thing([0, 0, 0.049]), MUG, True),
        (thing([0, 0, 0.051]), MUG, False),
        (thing([3, 0, 0.3], extent=2.5), SHELF, True),
        (thing([3, 0, 0.3], extent=1.9), SHELF, False),
        (thing([0, 0, -1], extent=9.0), FLOOR, False),
    ],
)
def test_hit(query, first, is_hit):
    result = ask(query, first)
    assert (result.rank == 1) == is_hit
    assert result.right == is_hit


def test_result_names_the_first_match():
    result = ask(thing([1, 0, 0]), SHELF, FLOOR, PLATE)
    assert (result.rank, result.matched, result.present, result.right) == (3, 12, True, False)
    assert result.similarity == 1.0
    assert result.attainable


def test_no_match_at_all():
    result = ask(thing([1, 0, 0]))
    assert (result.rank, result.matched) == (None, None)
    assert not result.present
    assert not result.right


def test_thing_without_an_instance_is_not_attainable():
    assert not ask(thing([9, 9, 9]), MUG).attainable
    assert not ask(thing([3, 0, 0.3], extent=1.0), SHELF).attainable


@pytest.mark.parametrize(
    ("order", "present", "right"),
    [((MUG,), True, False), ((MUG,), False, True), ((), False, True)],
)
def test_absent_thing(order, present, right):
    result = ask(LabeledQuery("bicycle", np.zeros((0, 3))), *order, present=present)
    assert (result.absent, result.rank, result.right) == (True, None, right)


def test_fractions_by_hand():
    answers = {
        "first": answer(MUG, PLATE),
        "third": answer(PLATE, SHELF, MUG),
        "never": answer(PLATE, SHELF),
        "fifth": answer(PLATE, SHELF, PLATE, SHELF, MUG),
        "gone": answer(MUG, present=False),
        "lost": answer(MUG),
        "void": answer(),
    }
    queries = [thing([0, 0, 0], text=text) for text in ("first", "third", "never", "fifth")]
    queries += [LabeledQuery(text, np.zeros((0, 3))) for text in ("gone", "lost", "void")]
    quality = evaluate_queries(answers.__getitem__, make_scene(), queries)
    assert (quality.top(1), quality.top(3), quality.top(5)) == (0.25, 0.5, 0.75)
    assert quality.absent == pytest.approx(2 / 3)
    assert quality.attainable == 1.0
    content = json.loads(json.dumps(quality.to_json()))
    assert set(content) == {"top1", "top3", "top5", "absent", "attainable", "queries"}
    assert content["queries"][1] == {
        "text": "third", "absent": False, "rank": 3, "matched": 11, "similarity": 1.0,
        "present": True, "right": False, "attainable": True,
    }


def test_no_fraction_of_nothing():
    quality = evaluate_queries(lambda text: answer(MUG), make_scene(), [thing([0, 0, 0])])
    assert quality.to_json()["absent"] is None
    absent = LabeledQuery("bicycle", np.zeros((0, 3)))
    quality = evaluate_queries(lambda text: answer(MUG), make_scene(), [absent])
    assert (quality.top(1), quality.absent) == (None, 0.0)
    with pytest.raises(InputError, match="at least one query"):
        evaluate_queries(lambda text: answer(), make_scene(), [])


def test_answers_of_another_map_are_refused():
    scene = make_scene()
    for wrong in ({"index": 7, "instance_id": 17}, {"index": 0, "instance_id": 11}):
        other = replace(answer(), matches=(make_match(scene, 0, **wrong),))
        with pytest.raises(InputError, match="matches of this map"):
            evaluate_queries(lambda text, other=other: other, scene, [thing([0, 0, 0])])


coordinates = st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3)
present_queries = st.builds(
    LabeledQuery,
    st.text(min_size=1),
    st.lists(coordinates, min_size=1, max_size=4).map(np.array),
    st.floats(0.001, 10),
    st.floats(0.001, 10),
)
absent_queries = st.builds(LabeledQuery, st.text(min_size=1), st.just(np.zeros((0, 3))))


@given(queries=st.lists(present_queries | absent_queries, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_an_oracle_gets_every_query_right(queries):
    self_check(queries)


@given(positions=st.lists(coordinates, min_size=1, max_size=3), seed=st.integers(0, 99),
       radius=st.floats(0.01, 2), extent=st.floats(0.01, 3))
@settings(max_examples=60, deadline=None)
def test_hits_equal_the_definition(positions, seed, radius, extent):
    rng = np.random.default_rng(seed)
    scene = make_scene()
    positions = np.array(positions)
    positions[0] = scene.cloud.points[rng.integers(12)] + rng.normal(0, 0.3, 3)
    for i in range(4):
        distance = np.linalg.norm(scene.cloud.points[scene.masks[i]][:, None] - positions, axis=2)
        expected = (
            distance.min() <= radius
            and scene.boxes[i].size.max() <= extent
            and not scene.masks.structure[i]
        )
        assert ask(thing(*positions, radius=radius, extent=extent), i).right == expected


def test_recorded_queries_pass_the_oracle(shared_data):
    queries = read_queries(shared_data / "data" / "redkitchen" / "queries_dev.json")
    self_check(queries)
    assert [query.absent for query in queries] == [False, False, False, True]

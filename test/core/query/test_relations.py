"""Relations of boxes whose places are known."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.data.boxes import Box
from om3d_core.errors import InputError
from om3d_core.query.relations import (
    Places,
    Viewpoint,
    between,
    distances,
    of_viewpoint,
    rank_value,
    relation,
    same_place,
)

UP = np.array([0.0, 0.0, 1.0])
ROBOT = Viewpoint(np.array([0.0, -5.0, 1.0]), np.array([0.0, 1.0, 0.0]))


def box(center, size, yaw=0.0):
    c, s = np.cos(yaw), np.sin(yaw)
    turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return Box(np.array(center, float), np.array(size, float), turned)


THINGS = {
    "table": box((0, 0, 0.4), (2, 1, 0.8)),
    "mug": box((0.3, 0.2, 0.85), (0.1, 0.1, 0.1)),
    "bin": box((-0.3, 0, 0.15), (0.3, 0.3, 0.3)),
    "chair": box((1.6, 0, 0.45), (0.5, 0.5, 0.9)),
    "sofa": box((-4, 0, 0.4), (1, 2, 0.8)),
    "shelf": box((0, 3, 1), (1, 0.4, 2), 0.1),
    "book": box((0.1, 3, 1.1), (0.2, 0.2, 0.2)),
    "lamp": box((0, 0, 2), (0.4, 0.4, 0.3)),
    "wall": box((0, 4, 1.25), (6, 0.1, 2.5)),
    "picture": box((1, 3.93, 1.5), (0.6, 0.04, 0.5)),
    "stool": box((0.1, -2, 0.25), (0.4, 0.4, 0.5)),
}
TRUE = [
    ("mug", "on", "table"), ("book", "on", "shelf"), ("picture", "on", "wall"),
    ("book", "in", "shelf"), ("bin", "under", "table"), ("table", "under", "mug"),
    ("lamp", "above", "table"), ("chair", "near", "table"), ("mug", "at", "table"),
    ("sofa", "far", "chair"), ("sofa", "left", "table"), ("chair", "right", "table"),
    ("stool", "front", "table"), ("shelf", "behind", "table"),
    ("table", "carrying", "mug"), ("shelf", "containing", "book"),
]  # fmt: skip
FALSE = [
    ("chair", "on", "table"), ("table", "on", "mug"), ("bin", "on", "table"),
    ("shelf", "on", "wall"), ("mug", "in", "table"), ("table", "in", "mug"),
    ("chair", "under", "table"), ("mug", "above", "lamp"), ("sofa", "near", "chair"),
    ("chair", "far", "table"), ("sofa", "right", "table"), ("chair", "left", "table"),
    ("stool", "behind", "table"), ("shelf", "front", "table"), ("chair", "behind", "table"),
    ("mug", "carrying", "table"), ("book", "containing", "shelf"),
]  # fmt: skip


def places(*names, up=UP):
    return Places.of([THINGS[name] for name in names], up)


def fit(a, kind, b, viewpoint=ROBOT):
    return float(relation(kind, places(a), places(b), viewpoint)[0, 0])


@pytest.mark.parametrize(("a", "kind", "b"), TRUE)
def test_what_stands_in_a_relation(a, kind, b):
    assert fit(a, kind, b) > 0.6


@pytest.mark.parametrize(("a", "kind", "b"), FALSE)
def test_what_does_not(a, kind, b):
    assert fit(a, kind, b) < 0.3


def test_left_and_right_change_with_the_side_one_looks_from():
    across = Viewpoint(np.array([0.0, 5.0, 1.0]))
    assert fit("sofa", "right", "table", across) > 0.6 > 0.3 > fit("sofa", "left", "table", across)


def test_between_takes_two():
    a, b, c = places("table", "stool", "chair"), places("sofa"), places("chair")
    fits = between(a, b, c)[:, 0]
    assert fits[0] > 0.8 > 0.2 > fits[1]
    assert fits[2] < 0.1


def test_relations_of_who_looks():
    a = places("sofa", "chair", "shelf")
    assert of_viewpoint("left", a, ROBOT)[0] > 0.8
    assert of_viewpoint("front", a, ROBOT)[2] > 0.9
    near = of_viewpoint("near", a, Viewpoint(np.array([1.6, -0.5, 0.5])))
    assert near.argmax() == 1 and near[1] > 0.9
    assert of_viewpoint("left", a, Viewpoint(np.zeros(3))) is None
    assert of_viewpoint("under", a, ROBOT) is None


@pytest.mark.parametrize(
    ("name", "winner"),
    [("largest", "table"), ("smallest", "mug"), ("tallest", "shelf"), ("highest", "shelf"),
     ("leftmost", "sofa"), ("rightmost", "chair"), ("nearest", "stool"), ("farthest", "shelf")],
)  # fmt: skip
def test_superlatives(name, winner):
    names = ["table", "mug", "chair", "shelf", "stool", "sofa"]
    names = names[:-1] if name == "largest" else names
    assert names[int(rank_value(name, places(*names), ROBOT).argmax())] == winner


def test_distances_are_gaps_between_boxes():
    gap = distances(places("table"), places("chair", "mug", "sofa"))[0]
    np.testing.assert_allclose(gap, [0.35, 0.0, 2.5], atol=1e-9)


def test_a_part_is_in_the_same_place():
    whole = Places.of([box((0, 0, 0), (2, 2, 2)), box((0.5, 0, 0), (0.5, 0.5, 0.5), 0.4)], UP)
    assert same_place(whole, whole).min() > 0.95
    assert same_place(places("table"), places("sofa"))[0, 0] == 0


def test_a_map_on_its_side_has_the_same_relations():
    turn = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
    moved = {
        name: Box(turn @ b.center, b.size, turn @ b.map_from_box) for name, b in THINGS.items()
    }
    robot = Viewpoint(turn @ ROBOT.position, turn @ ROBOT.forward)
    for a, kind, b in TRUE + FALSE:
        first = Places.of([moved[a]], turn @ UP)
        second = Places.of([moved[b]], turn @ UP)
        turned = relation(kind, first, second, robot)[0, 0]
        assert turned == pytest.approx(fit(a, kind, b), abs=1e-6)


@pytest.mark.parametrize("position", [[0, 0], [0, 0, np.nan], [0, 0, np.inf]])
def test_a_viewpoint_is_a_finite_place(position):
    with pytest.raises(InputError, match="position"):
        Viewpoint(np.array(position, float))

"""Reliability of probabilities, and questions made of ground truth."""

from __future__ import annotations

import json

import numpy as np
import pytest

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import ViewTable
from om3d_core.errors import SourceError
from om3d_core.evaluation.ground_truth import GroundTruth
from om3d_core.evaluation.room_questions import PAINTS, painted, room_questions
from om3d_core.evaluation.verdicts import (
    Bin,
    Outcome,
    calibration_error,
    fit_logistic,
    reliability,
)
from om3d_core.pictures.reliability import draw_reliability


def outcome(probability, right):
    return Outcome("noun", "mug", probability, right, False, True, True, "unique")


def entry(number, name, low, high, supported_by=1):
    return {"id": number, "class": name, "structure": name == "floor",
            "supported_by": supported_by, "box_min": low, "box_max": high}  # fmt: skip


ROOM = [
    entry(1, "floor", [-4, -4, -0.1], [4, 4, 0]), entry(2, "table", [0, 0, 0], [1, 1, 0.7]),
    entry(3, "chair", [1.1, 0, 0], [1.6, 0.5, 0.9]), entry(4, "chair", [-3, 3, 0], [-2, 4, 1.5]),
    entry(5, "mug", [0.4, 0.4, 0.7], [0.5, 0.5, 0.8], 2),
    entry(6, "mug", [-2.5, 3.2, 1.5], [-2.4, 3.3, 1.6], 4),
    entry(7, "plant", [3, -4, 0], [3.5, -3.5, 1]),
]  # fmt: skip


def test_bins_count_what_is_right():
    found = [outcome(0.95, True)] * 3 + [outcome(0.95, False)] + [outcome(0.1, False)] * 4
    assert reliability(found) == [
        Bin(4, pytest.approx(0.1), 0.0), Bin(4, pytest.approx(0.95), 0.75)]
    assert calibration_error(reliability(found)) == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)
    assert reliability([outcome(1.0, True)]) == [Bin(1, 1.0, 1.0)]
    assert calibration_error([]) == 0


def test_a_fit_undoes_what_was_done_to_probabilities():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 4000)
    right = rng.random(4000) < 1 / (1 + np.exp(-(1.5 * logit + 0.7)))
    slope, bias = fit_logistic(1 / (1 + np.exp(-logit)), right)
    assert (slope, bias) == (pytest.approx(1.5, abs=0.12), pytest.approx(0.7, abs=0.12))
    assert fit_logistic(np.zeros(0), np.zeros(0, bool)) == pytest.approx((1, 0), abs=1e-3)


def test_questions_of_a_room_have_the_answers_of_its_truth(tmp_path):
    (tmp_path / "scene.json").write_text(json.dumps({"instances": ROOM}))
    asked = {q.text: q.instances for kind in room_questions(tmp_path).values() for q in kind}
    assert asked["the mug on the table"] == (5,)
    assert asked["the mug on the chair"] == (6,)
    assert asked["the chair next to the table"] == (3,)
    assert asked["the chair nearest to the table"] == (3,)
    assert asked["the largest chair"] == (4,) and asked["the smallest chair"] == (3,)
    assert asked["all the mugs"] == (5, 6)
    assert asked["the table next to the plant"] == ()
    with pytest.raises(SourceError, match=r"scene\.json"):
        room_questions(tmp_path / "none")


def test_things_of_a_class_are_painted_in_different_colors():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.random((50, 3)), rng.random((50, 3)) + 5]).astype(np.float32)
    masks = InstanceMasks.from_lists([np.arange(50), np.arange(50, 100)], 100)
    truth = GroundTruth(points, masks, np.zeros(100, bool), np.array([3, 8]), ("chair", "chair"))
    gray = np.full((100, 3), 128, np.uint8)
    scene = Scene(1, Cloud(points, gray, np.zeros_like(points)), masks, np.array([1, 2]),
                  np.array([0, 0, 1.0]), ViewTable.empty(2, 0), (), ((), ()), ("", ""))
    colored, questions = painted(scene, truth)
    asked = {q.text: q.instances for q in questions}
    assert asked == {"the red chair": (3,), "the blue chair": (8,), "the green chair": ()}
    assert (colored.cloud.colors[:50] == PAINTS["red"]).all()
    assert (scene.cloud.colors == 128).all()


def test_the_diagram_shows_a_bar_a_bin():
    blue = np.array([31, 119, 180])
    full = draw_reliability([(5, 0.25, 1.0), (5, 0.75, 1.0)], 0.5)
    half = draw_reliability([(5, 0.25, 0.5), (5, 0.75, 0.5)], 0.25)
    count = [(image == blue).all(axis=2).sum() for image in (full, half)]
    assert 1.8 < count[0] / count[1] < 2.2
    assert draw_reliability([], 0.0).shape == full.shape

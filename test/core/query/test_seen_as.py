"""What a detector took things for, and what that does to answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.scenes import make_scene
from hypothesis import given
from hypothesis import strategies as st

from om3d_core.data.words import Word
from om3d_core.query.calibration import calibration_of
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.seen_as import SeenAs, classes_of_things, shares
from om3d_core.query.settings import QuerySettings

SCENE = make_scene()
CUP, TV = 2, 0


def seen(*told, scene=SCENE):
    """The scene with these detections of the instances at CUP and at TV, by view."""
    detections = [()] * len(scene)
    for row, views in zip((CUP, TV), told, strict=False):
        detections[row] = tuple(tuple(Word(*word) for word in view) for view in views)
    return replace(scene, detections=tuple(detections))


BOTH = seen([[("cup", 0.9), ("bowl", 0.3)], [("cup", 0.5)]], [[("tv", 0.8)]])


@pytest.mark.parametrize(("text", "classes", "row"), [
    ("cup", ("cup",), CUP), ("Where is the white mug?", ("cup",), CUP),
    ("coffee cups", ("cup",), CUP), ("a ramekin", ("bowl", "cup"), CUP),
    ("the computer monitor", ("tv",), TV), ("a tv stand", (), None), ("chair", (), None),
    ("a sextant", (), None), ("", (), None),
])  # fmt: skip
def test_a_text_asks_for_the_classes_of_its_thing(text, classes, row):
    found = SeenAs(BOTH).match(text)
    assert found.classes == classes
    assert np.flatnonzero(found.share).tolist() == ([] if row is None else [row])


def test_the_share_is_the_mean_of_the_two_best_views():
    n_views = int(SCENE.views.valid[CUP].sum())
    assert n_views > 2
    first, second = shares((Word("cup", 0.9), Word("bowl", 0.3)))["cup"], 0.5
    assert SeenAs(BOTH).match("cup").share[CUP] == pytest.approx(np.sqrt((first + second) / 2))
    late = seen([[], [], [("cup", 0.9)]])
    assert not SeenAs(late).match("cup").share.any()


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), max_size=6))
def test_shares_are_parts_of_a_whole_in_the_order_of_confidence(told):
    found = shares(tuple(Word(name, sure) for name, sure in told.items()))
    assert sum(found.values()) <= 1 and all(0 <= share <= 1 for share in found.values())
    by_share = sorted(found, key=lambda name: found[name])
    confidences = [told[name] for name in by_share]
    assert all(a <= b + 1e-3 for a, b in zip(confidences, confidences[1:], strict=False))


class Constant:
    """Every text and picture is the same vector."""

    spaces = tuple(table.space for table in SCENE.features)

    def encode_texts(self, texts):
        return {space.name: np.tile(np.eye(space.dim, dtype=np.float32)[:1], (len(texts), 1))
                for space in self.spaces}  # fmt: skip


def test_what_was_seen_raises_an_instance_and_is_told():
    flat = replace(BOTH, features=tuple(
        replace(t, vectors=np.tile(np.eye(t.space.dim, dtype=np.float32)[:1],
                                   (*t.valid.shape, 1)) * t.valid[:, :, None])
        for t in BOTH.features
    ))  # fmt: skip
    best = SceneQuery(flat, Constant()).text("a mug").matches[0]
    assert best.index == CUP and best.checks[0].what == "seen as cup"
    assert f"seen as cup {best.checks[0].fit:.2f}" in best.explanation
    composed = SceneQuery(flat, Constant()).text("the mug that is not near a zebra").matches
    told = {match.index: [check.what for check in match.checks] for match in composed}
    assert all("seen as cup" in whats for whats in told.values())
    off = SceneQuery(flat, Constant(), QuerySettings(detections=False)).text("a mug").matches
    assert not any(match.checks for match in off)
    assert off[0].probability < best.probability


def test_only_things_without_a_class_of_their_own_are_listed():
    """And each class of the table is one of COCO's."""
    from om3d_core.evidence.detectors.coco import COCO_CLASSES

    known = set(COCO_CLASSES.values())
    assert {name for names in classes_of_things().values() for name in names} <= known
    assert not known & set(classes_of_things())
    assert calibration_of("lite-text@1").seen > 0

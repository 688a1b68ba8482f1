"""View selection by visibility."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from om3d_core.mapping.views import (
    Cameras,
    ViewSettings,
    bearing_angles,
    farthest_from_first,
    max_min,
    select_views,
)
from om3d_core.mapping.visibility import Observation

counts = hnp.arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 5)),
                    elements=st.integers(0, 200))


def cameras(pixels):
    f, n = pixels.shape
    rng = np.random.default_rng(f * 100 + n)
    rotations = np.stack([np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(f)])
    return Cameras(rotations, rng.normal(size=(f, 3)), rng.normal(size=(n, 3)))


def observations(pixels):
    boxes = np.arange(pixels.size * 4, dtype=np.int32).reshape(*pixels.shape, 4)
    return [Observation(p, b) for p, b in zip(pixels, boxes, strict=True)]


@given(pixels=counts, k=st.integers(1, 6), floor=st.integers(1, 100))
@settings(max_examples=150, deadline=None)
def test_the_most_visible_frames_win_and_ties_go_to_the_earlier(pixels, k, floor):
    stamps = np.arange(len(pixels), dtype=np.int64) * 10
    seen = observations(pixels)
    settings = ViewSettings(top_k=k, min_pixels=floor, selection="visible")
    table = select_views(stamps, seen, cameras(pixels), settings)
    for i in range(pixels.shape[1]):
        ranked = sorted(range(len(pixels)), key=lambda f: (-pixels[f, i], f))[:k]
        expected = [f for f in ranked if pixels[f, i] >= floor]
        n = len(expected)
        assert table.stamps[i, :n].tolist() == [10 * f for f in expected]
        assert (table.stamps[i, n:] == -1).all()
        assert table.pixels[i, :n].tolist() == [pixels[f, i] for f in expected]
        assert np.array_equal(table.boxes[i, :n], [seen[f].boxes[i] for f in expected] or
                              np.zeros((0, 4)))


@given(
    pixels=counts,
    k=st.integers(1, 6),
    selection=st.sampled_from(["diverse", "farthest", "bearing"]),
)
@settings(max_examples=150, deadline=None)
def test_varied_views_start_with_the_best_and_are_distinct_and_seen(pixels, k, selection):
    stamps = np.arange(len(pixels), dtype=np.int64)
    settings = ViewSettings(top_k=k, min_pixels=20, selection=selection, min_share=0.5)
    table = select_views(stamps, observations(pixels), cameras(pixels), settings)
    for i in range(pixels.shape[1]):
        chosen = table.stamps[i][table.valid[i]]
        usable = np.flatnonzero(pixels[:, i] >= 20)
        if selection == "bearing":
            usable = usable[pixels[usable, i] >= 0.5 * pixels[:, i].max()]
        usable = usable[np.argsort(-pixels[usable, i], kind="stable")][: max(10, k)]
        assert len(chosen) == min(k, len(usable)) == len(set(chosen.tolist()))
        assert set(chosen.tolist()) <= set(usable.tolist())
        if len(usable):
            assert chosen[0] == usable[0]


def test_max_min_and_farthest_differ_as_the_code_and_the_paper_do():
    line = np.abs(np.subtract.outer([0.0, 1.0, 2.9, 3.0], [0.0, 1.0, 2.9, 3.0]))
    assert max_min(line, 3).tolist() == [0, 3, 1]
    assert farthest_from_first(line, 3).tolist() == [0, 3, 2]
    assert max_min(line[:2, :2], 4).tolist() == [0, 1]
    assert max_min(line[:2, :2], 4, repeat=True).tolist() == [0, 1, 0, 0]


def test_bearings_are_angles_at_the_object():
    around = np.array([[1.0, 0, 0], [0, 2.0, 0], [-3.0, 0, 0]])
    expected = np.array([[0, 90, 180], [90, 0, 90], [180, 90, 0]])
    assert np.allclose(np.degrees(bearing_angles(around, np.zeros(3))), expected, atol=1e-5)

"""Keyframes: the order of arrival does not matter, and memory is bounded."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.errors import InputError
from om3d_core.mapping.keyframes import KeyframeSettings, KeyframeStore

CAMERA = Intrinsics(10.0, 10.0, 3.5, 2.5, 8, 6)


def frame(stamp, x=0.0):
    pose = np.eye(4)
    pose[0, 3] = x
    rgb = np.full((6, 8, 3), stamp % 256, np.uint8)
    return Frame(rgb, np.full((6, 8), 1.0 + stamp, np.float32), CAMERA, pose, stamp)


frames = st.lists(
    st.tuples(st.integers(0, 30), st.floats(-1, 1), st.integers(-2, 2)),
    max_size=20, unique_by=lambda f: f[0],
)


@given(offered=frames, data=st.data(), limit=st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_any_order_keeps_the_best_frame_of_each_cell(offered, data, limit):
    best = {}
    for stamp, x, level in offered:
        cell = np.floor(x / 0.25)
        best[cell] = min(best.get(cell, (3, 0)), (-level, stamp))
    for order in (offered, data.draw(st.permutations(offered))):
        store = KeyframeStore(KeyframeSettings(step_m=0.25))
        for stamp, x, level in order:
            assert store.add(frame(stamp, x), level) == (stamp in store)
        assert store.stamps == sorted(stamp for _, stamp in best.values())
    capped = KeyframeStore(KeyframeSettings(step_m=0.25, max_frames=limit))
    for stamp, x, level in offered:
        capped.add(frame(stamp, x), level)
    assert len(capped) <= limit


def test_standing_still_or_returning_adds_nothing():
    store = KeyframeStore(KeyframeSettings())
    assert store.add(frame(0))
    assert not any(store.add(frame(stamp)) for stamp in range(1, 50))
    assert len(store) == 1


def test_frames_beyond_the_memory_budget_come_back_whole_from_disk():
    store = KeyframeStore(KeyframeSettings(step_m=0.0, memory_mb=1))
    big = Intrinsics(10.0, 10.0, 300.0, 200.0, 600, 400)
    rng = np.random.default_rng(0)
    written = []
    for stamp in range(3):
        rgb = rng.integers(0, 256, (400, 600, 3), dtype=np.uint8)
        depth = rng.random((400, 600)).astype(np.float32)
        written.append(Frame(rgb, depth, big, np.eye(4), stamp, f"camera_{stamp}"))
        assert store.add(written[-1])
    folder = store._folder
    assert folder is not None and list(folder.iterdir())
    for original, read in zip(written, store, strict=True):
        assert np.array_equal(original.rgb, read.rgb)
        assert np.array_equal(original.depth, read.depth)
        assert original.intrinsics == read.intrinsics
        assert original.camera_frame == read.camera_frame
    store.clear()
    assert len(store) == 0 and not folder.exists()


def test_of_equal_frames_of_a_cell_the_earliest_is_kept():
    store = KeyframeStore(KeyframeSettings())
    assert store.add(frame(9)) and store.add(frame(4)) and not store.add(frame(6))
    assert store.stamps == [4] and store[4].depth[0, 0] == 5.0


def test_a_spooled_frame_that_is_lost_or_damaged_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = KeyframeStore(KeyframeSettings(step_m=0.0, memory_mb=1))
    big = Intrinsics(10.0, 10.0, 300.0, 200.0, 600, 400)
    image = np.zeros((400, 600, 3), np.uint8)
    for stamp in range(4):
        store.add(Frame(image, np.ones((400, 600), np.float32), big, np.eye(4), stamp))
    lost, damaged = sorted(tmp_path.rglob("*.npz"))[:2]
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:1000])
    for path in (lost, damaged):
        with pytest.raises(InputError, match=f"{path}: expected the keyframe of {path.stem} ns"):
            store[int(path.stem)]

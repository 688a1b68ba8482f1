"""Keyframes: the order of arrival does not matter, and memory is bounded."""

from __future__ import annotations

import tempfile
import threading

import numpy as np
import pytest
from helpers.keyframes import assert_same_frame, assert_same_keyframes, make_frame, make_keyframe
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.keyframe import Keyframe
from om3d_core.errors import InputError
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.pose_cells import KeyframeSettings

CAMERA = Intrinsics(10.0, 10.0, 3.5, 2.5, 8, 6)
ALL = KeyframeSettings(step_m=0.0)


def at(x):
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


def frame(stamp, x=0.0):
    rgb = np.full((6, 8, 3), stamp % 256, np.uint8)
    return Frame(rgb, np.full((6, 8), 1.0 + stamp, np.float32), CAMERA, at(x), stamp)


places = st.floats(-1, 1)
frames = st.lists(
    st.tuples(st.integers(0, 30), places, st.integers(-2, 2)),
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


@given(offered=frames, data=st.data())
@settings(max_examples=150, deadline=None)
def test_moving_is_as_if_the_frames_had_come_with_their_new_poses(offered, data):
    store = KeyframeStore(KeyframeSettings(step_m=0.25))
    for stamp, x, level in offered:
        store.add(frame(stamp, x), level)
    kept = {stamp: (x, level) for stamp, x, level in offered if stamp in store}
    for _ in range(2):
        moves = data.draw(st.dictionaries(st.sampled_from(store.stamps), places)
                          if len(store) else st.just({}))
        if moves and data.draw(st.booleans()):
            store[next(iter(moves))]
        removed = store.set_poses({stamp: at(x) for stamp, x in moves.items()})
        kept = {stamp: (moves.get(stamp, x), level) for stamp, (x, level) in kept.items()}
        fresh = KeyframeStore(KeyframeSettings(step_m=0.25))
        for stamp in data.draw(st.permutations(list(kept))):
            fresh.add(frame(stamp, kept[stamp][0]), kept[stamp][1])
        assert removed == sorted(set(kept) - set(fresh.stamps))
        assert_same_keyframes(store.snapshot(), fresh.snapshot())
        for found, expected in zip(store, fresh, strict=True):
            assert_same_frame(found, expected)
        for stamp in removed:
            del kept[stamp]
    late = data.draw(st.tuples(st.integers(31, 40), places, st.integers(-2, 2)))
    assert store.add(frame(*late[:2]), late[2]) == fresh.add(frame(*late[:2]), late[2])
    assert store.stamps == fresh.stamps


@pytest.mark.parametrize(
    ("poses", "told"),
    [
        ({1: at(5.0), 7: at(0.0)}, "poses of keyframes, got one of 7 ns"),
        ({1: at(5.0), 2: np.full((4, 4), np.nan)}, "pose of 2 ns: .*finite"),
        ({1: at(5.0), 2: np.diag([1.0, 2.0, 1.0, 1.0])}, "pose of 2 ns: .*orthonormal"),
        ({1: at(5.0), 2: at(2e4)}, "pose of 2 ns: .*within 10 km"),
        ({1: at(5.0), 2: np.eye(3)}, "pose of 2 ns: .*transform"),
    ],
)
def test_poses_that_cannot_be_are_refused_and_change_nothing(poses, told):
    store = KeyframeStore(KeyframeSettings())
    store.add(frame(1, 0.0))
    store.add(frame(2, 1.0))
    before = store.snapshot()
    with pytest.raises(InputError, match=told):
        store.set_poses(poses)
    assert_same_keyframes(store.snapshot(), before)


def test_standing_still_or_returning_adds_nothing():
    store = KeyframeStore(KeyframeSettings())
    assert store.add(frame(0))
    assert not any(store.add(frame(stamp)) for stamp in range(1, 50))
    assert len(store) == 1


def big(stamp, quality=95):
    return make_keyframe(stamp, 0, quality, stamp_ns=stamp, width=600, height=400)


@pytest.fixture
def spooled(tmp_path, monkeypatch):
    """A store of which a part is on disk, and the keyframes in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = KeyframeStore(KeyframeSettings(step_m=0.0, memory_mb=1))
    for stamp in range(4):
        frame = make_frame(stamp, stamp_ns=stamp, width=600, height=400)
        assert store.add(frame)
    assert len(list(tmp_path.rglob("*.images"))) == 3
    return store, tuple(big(stamp) for stamp in range(4))


def test_frames_beyond_the_memory_budget_come_back_whole_from_disk(spooled, tmp_path):
    store, written = spooled
    assert_same_keyframes(store.snapshot(), written)
    for keyframe, read in zip(written, store, strict=True):
        assert_same_frame(keyframe.frame(), read)
    store.set_poses({3: at(2.0)})
    assert np.array_equal(store[3].map_from_camera, at(2.0))
    store.remove(3)
    assert store.stamps == [0, 1, 2] and len(list(tmp_path.rglob("*.images"))) == 2
    store.clear()
    assert len(store) == 0 and not list(tmp_path.iterdir())


def test_the_folder_goes_with_the_store(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = KeyframeStore(KeyframeSettings(step_m=0.0, memory_mb=1))
    for stamp in range(3):
        store.add(make_frame(stamp, stamp_ns=stamp, width=600, height=400))
    assert list(tmp_path.rglob("*.images"))
    del store
    assert not list(tmp_path.iterdir())


def test_encoded_frames_and_decoded_depth_share_the_memory():
    store = KeyframeStore(KeyframeSettings(step_m=0.0, memory_mb=8))
    for stamp in range(40):
        store.add(make_frame(stamp, stamp_ns=stamp, width=400, height=300))
        assert store._images.n_bytes <= 6_000_000
        assert 0 < store._depths.n_bytes <= 2_000_000


def test_depth_is_the_same_whether_it_came_or_was_decoded(monkeypatch):
    kept, alone = (KeyframeStore(KeyframeSettings(step_m=0.0, memory_mb=mb)) for mb in (400, 1))
    for stamp in range(5):
        for store in (kept, alone):
            store.add(make_frame(stamp, stamp_ns=stamp, width=400, height=300))
    for stamp in range(5):
        assert np.array_equal(kept.depth(stamp), alone.depth(stamp))
        assert np.array_equal(kept.depth(stamp), kept[stamp].depth)
        assert np.array_equal(kept[stamp].rgb, alone[stamp].rgb)
    monkeypatch.setattr(Keyframe, "depth_units", lambda self: pytest.fail("decoded again"))
    assert kept[0].depth.shape == kept.depth(4).shape == (300, 400)


def test_of_equal_frames_of_a_cell_the_earliest_is_kept():
    store = KeyframeStore(KeyframeSettings())
    assert store.add(frame(9)) and store.add(frame(4)) and not store.add(frame(6))
    assert store.stamps == [4] and store[4].depth[0, 0] == 5.0


def test_what_is_given_back_is_what_is_saved():
    store = KeyframeStore(ALL)
    store.add(make_frame(1), 4)
    (keyframe,) = store.snapshot()
    assert keyframe.level == 4
    assert_same_frame(store[keyframe.stamp_ns], keyframe.frame())


def test_a_restored_store_goes_on_as_if_it_had_never_stopped():
    chosen = KeyframeSettings(step_m=0.25)
    once, before = KeyframeStore(chosen), KeyframeStore(chosen)
    for store in (once, before):
        for stamp in range(8):
            store.add(frame(stamp, stamp * 0.15), stamp % 3)
    after = KeyframeStore(chosen)
    after.add(frame(99, 7.0))
    after.restore(reversed(before.snapshot()))
    for store in (once, after):
        for stamp in range(8, 16):
            store.add(frame(stamp, stamp * 0.1), stamp % 4)
    assert_same_keyframes(after.snapshot(), once.snapshot())
    with pytest.raises(InputError, match="different stamps, got 1000000000 ns twice"):
        after.restore([make_keyframe(), make_keyframe()])
    assert_same_keyframes(after.snapshot(), once.snapshot())


def test_keyframes_are_restored_as_they_are_whatever_the_quality_now():
    store = KeyframeStore(KeyframeSettings(jpeg_quality=40))
    keyframe = Keyframe.of(make_frame(), 1, 0)
    store.restore([keyframe])
    assert_same_keyframes(store.snapshot(), (keyframe,))


def test_a_snapshot_may_be_taken_while_frames_come(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = KeyframeStore(KeyframeSettings(step_m=0.0, memory_mb=1, max_frames=6))
    offered = [make_frame(stamp, stamp_ns=99 - stamp, width=400, height=300)
               for stamp in range(40)]
    sizes, errors, done = [], [], threading.Event()

    def watch():
        try:
            while not done.is_set():
                found = store.snapshot()
                sizes.append(len(found))
                assert [k.stamp_ns for k in found] == sorted({k.stamp_ns for k in found})
        except Exception as error:  # told below
            errors.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    for one in offered:
        store.add(one)
        store.set_poses({one.stamp_ns: at(1.0)})
    done.set()
    thread.join()
    assert not errors and sizes and max(sizes) <= 6


def test_a_spooled_frame_that_is_lost_or_damaged_is_told(spooled, tmp_path):
    store, _ = spooled
    lost, cut, changed = sorted(tmp_path.rglob("*.images"))
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:1000])
    content = bytearray(changed.read_bytes())
    content[5000] ^= 1
    changed.write_bytes(content)
    for path in (lost, cut, changed):
        with pytest.raises(InputError, match=f"{path}: expected the keyframe of {path.stem} ns"):
            store[int(path.stem)]
    with pytest.raises(InputError, match=str(lost)):
        store.snapshot()


def test_a_frame_that_does_not_fit_on_the_disk_leaves_the_store_as_it_was(spooled, monkeypatch):
    store, written = spooled

    def full(path, content):
        path.touch()
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        store.add(make_frame(9, stamp_ns=9, width=600, height=400))
    assert_same_keyframes(store.snapshot(), written)


def looking(stamp, yaw_rad, x=0.0):
    """A frame of a wall 2 m before the camera, which is turned about its y axis."""
    pose = at(x)
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    pose[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    camera = Intrinsics(40.0, 40.0, 19.5, 14.5, 40, 30)
    color = np.full((30, 40, 3), 100, np.uint8)
    return Frame(color, np.full((30, 40), 2.0, np.float32), camera, pose, stamp)


def test_when_it_is_full_what_others_see_too_goes_and_never_the_only_view():
    store = KeyframeStore(KeyframeSettings(step_m=0.0, max_frames=6))
    store.add(looking(1000, np.pi))
    for stamp in range(40):
        store.add(looking(stamp, 0.0, 0.01 * stamp))
    store.add(looking(500, np.pi / 2))
    assert len(store) == 6 and {500, 1000} <= set(store.stamps)
    assert store.dropped == 36 and store.lost_places == 0


def test_of_frames_that_are_missed_as_little_the_better_and_earlier_stay():
    store = KeyframeStore(KeyframeSettings(step_m=0.0, max_frames=3))
    levels = {10: 1, 11: 1, 12: 0, 13: 2, 14: 1, 9: 1}
    kept = [store.add(looking(stamp, 0.0), level) for stamp, level in levels.items()]
    assert kept == [True, True, True, True, False, True]
    assert store.stamps == [9, 10, 13]


def test_a_store_too_small_for_its_places_is_bounded_and_tells():
    store = KeyframeStore(KeyframeSettings(step_m=0.0, max_frames=3))
    for stamp in range(6):
        store.add(looking(stamp, 0.0, 10.0 * stamp))
    assert len(store) == 3 and store.dropped == 3 and store.lost_places > 3
    store.clear()
    assert store.dropped == store.lost_places == 0


def test_frames_without_depth_go_first():
    store = KeyframeStore(KeyframeSettings(step_m=0.0, max_frames=2))
    blind = looking(0, 0.0)
    blind.depth[:] = 0.0
    store.add(blind, 9)
    store.add(looking(1, 0.0))
    assert store.add(looking(2, 1.0))
    assert store.stamps == [1, 2]


def test_room_is_made_the_same_way_after_a_move_and_a_restore():
    chosen = KeyframeSettings(step_m=0.0, max_frames=8)
    once, again = KeyframeStore(chosen), KeyframeStore(chosen)
    rng = np.random.default_rng(0)
    turns = rng.uniform(-np.pi, np.pi, 40)
    for stamp in range(12):
        once.add(looking(stamp, turns[stamp]))
    once.set_poses({stamp: looking(0, turns[stamp] + 0.4).map_from_camera
                    for stamp in once.stamps[:4]})
    again.restore(once.snapshot())
    for stamp in range(12, 40):
        assert once.add(looking(stamp, turns[stamp])) == again.add(looking(stamp, turns[stamp]))
    assert_same_keyframes(again.snapshot(), once.snapshot())


def test_a_damaged_keyframe_is_no_obstacle_to_new_ones():
    store = KeyframeStore(KeyframeSettings(step_m=0.0, max_frames=2))
    good = [Keyframe.of(looking(stamp, 1.5 * stamp), 0, 95) for stamp in range(2)]
    cut = good[0].depth[:-30]
    damaged = [Keyframe(good[0].color, cut, good[0].intrinsics, np.eye(4), stamp)
               for stamp in (0, 5)]
    store.restore([damaged[0], good[1], damaged[1]])
    assert store.stamps == [0, 1]
    assert store.add(looking(2, 3.0))
    assert store.stamps == [1, 2]

"""Any history of a map is one batch run on what is left of it, and costs what it changed."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.small_mapper import SETTINGS, assert_same_content, mapper
from helpers.worlds import fused, tabletop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from om3d_core.data.scene_store import load_map, save_scene
from om3d_core.errors import CanceledError, InputError
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job
from om3d_core.settings import build, values_of

N_FRAMES = 7
FRAMES = tabletop(N_FRAMES, 80, 60)
CLOUDS = tuple(fused(FRAMES[:n], 0.03) for n in (2, 5))
INDEX = st.integers(0, N_FRAMES - 1)


def moved(frame, shift_m):
    """The pose of a frame, shifted in x."""
    pose = frame.map_from_camera.copy()
    pose[0, 3] += shift_m
    return pose


def batch(frames, poses, cloud):
    """A new map of these frames at these poses."""
    m = mapper()
    if cloud is not None:
        m.set_cloud(cloud)
    for stamp in sorted(frames):
        m.add_frame(replace(frames[stamp], map_from_camera=poses[stamp]))
    return m


class History(RuleBasedStateMachine):
    """What happens to a map, and what is left: frames, their poses, a cloud."""

    @initialize()
    def begin(self):
        self.map = mapper()
        self.frames, self.poses, self.cloud = {}, {}, None

    @rule(i=INDEX)
    def add(self, i):
        frame = FRAMES[i]
        if self.map.add_frame(frame):
            self.frames[frame.stamp_ns], self.poses[frame.stamp_ns] = frame, frame.map_from_camera

    @rule(i=INDEX)
    def remove(self, i):
        stamp = FRAMES[i].stamp_ns
        self.map.remove_frames([stamp])
        self.frames.pop(stamp, None)
        self.poses.pop(stamp, None)

    @rule(chosen=st.sets(INDEX, min_size=1), shift_m=st.sampled_from([0.0, 0.11, -0.3]))
    def set_poses(self, chosen, shift_m):
        stamps = [FRAMES[i].stamp_ns for i in chosen if FRAMES[i].stamp_ns in self.frames]
        poses = {stamp: moved(self.frames[stamp], shift_m) for stamp in stamps}
        gone = self.map.set_poses(poses)
        self.poses.update(poses)
        for stamp in gone:
            del self.frames[stamp], self.poses[stamp]

    @rule(i=st.integers(0, 1))
    def set_cloud(self, i):
        self.cloud = CLOUDS[i]
        self.map.set_cloud(self.cloud)

    @precondition(lambda self: self.frames or self.cloud is not None)
    @rule()
    def refresh(self):
        before = self.map.scene
        scene = self.map.refresh()
        counts = self.map.counts
        assert self.map.refresh() is scene
        assert self.map.counts == counts
        if before is not None:
            assert scene.next_id >= before.next_id

    @precondition(lambda self: self.frames or self.cloud is not None)
    @rule(steps=st.integers(0, 12))
    def cancel(self, steps):
        before, left = self.map.scene, iter(range(steps))
        with suppress(CanceledError):
            before = self.map.refresh(Job(canceled=lambda: next(left, None) is None))
        assert self.map.scene is before

    @precondition(lambda self: self.frames or self.cloud is not None)
    @rule(i=INDEX, step=st.integers(0, 6))
    def add_while_refreshing(self, i, step):
        """What comes meanwhile is in the next refresh."""
        steps = iter(range(step))

        def report(*_):
            if next(steps, None) is None and self.frames.keys() == before:
                self.add(i)

        before = set(self.frames)
        scene = self.map.refresh(Job(report))
        stamps = set(scene.views.stamps[scene.views.valid].tolist())
        assert stamps <= before

    @precondition(lambda self: self.map.scene is not None and self.frames)
    @rule()
    def go_on_elsewhere(self):
        """Another process loads what this one saved; it does nothing until something comes.

        A cloud that no refresh has used yet is not saved.
        """
        if self.cloud is not None:
            self.map.refresh()
        old, self.map = self.map, mapper()
        with tempfile.TemporaryDirectory() as folder:
            scene, keyframes = old.snapshot()
            save_scene(scene, Path(folder), keyframes)
            loaded = self.map.load(*load_map(Path(folder)))
        same = old.refresh()
        again = self.map.refresh()
        assert_same_content(again, same)
        if same.revision == loaded.revision:
            assert again is loaded
            assert self.map.counts.crops_encoded == self.map.counts.proposals == 0

    def teardown(self):
        if self.frames or self.cloud is not None:
            expected = batch(self.frames, self.poses, self.cloud).refresh()
            assert_same_content(self.map.refresh(), expected)


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None,
    suppress_health_check=list(HealthCheck),
)


def mapped(frames, settings=SETTINGS):
    """A map of these frames, refreshed once."""
    m = mapper(settings)
    for frame in frames:
        m.add_frame(frame)
    m.refresh()
    return m


def work(m):
    """What was done so far."""
    c = m.counts
    return np.array([c.blocks_fused, c.proposals, c.looks, c.crops_encoded])


def test_a_frame_that_moves_costs_what_it_shows():
    m, n = mapped(FRAMES), len(FRAMES)
    alone = mapped(FRAMES[:1]).counts.blocks_fused
    before, scene = work(m), m.scene
    m.set_poses({FRAMES[0].stamp_ns: moved(FRAMES[0], 0.1)})
    new = m.refresh()
    fused_blocks, proposals, looks, crops = work(m) - before
    assert 0 < fused_blocks <= 2 * n * alone and proposals == 1
    assert looks <= n * len(new) and crops <= before[3]
    before = work(m)
    m.set_poses({FRAMES[0].stamp_ns: FRAMES[0].map_from_camera})
    assert_same_content(m.refresh(), scene)
    assert (work(m) - before)[3] == 0, "its crops are remembered"


def test_poses_that_stay_cost_nothing():
    m = mapped(FRAMES)
    before, scene = work(m), m.scene
    assert m.set_poses({f.stamp_ns: f.map_from_camera.copy() for f in FRAMES}) == []
    assert m.refresh() is scene and (work(m) == before).all()


def test_a_frame_on_a_given_cloud_is_looked_at_alone():
    m = mapper()
    m.set_cloud(CLOUDS[1])
    for frame in FRAMES[:5]:
        m.add_frame(frame)
    n = len(m.refresh())
    before = work(m)
    m.add_frame(FRAMES[5])
    m.refresh()
    assert (work(m) - before)[:3].tolist() == [0, 0, n]


def test_a_canceled_refresh_keeps_what_it_encoded():
    whole = mapped(FRAMES).counts.crops_encoded
    m = mapper()
    for frame in FRAMES:
        m.add_frame(frame)
    stages = []

    def stop():
        return stages[-1:] == ["encode"] and stages.count("encode") >= 3

    with pytest.raises(CanceledError):
        m.refresh(Job(lambda stage, *_: stages.append(stage), stop))
    m.refresh()
    assert m.counts.crops_encoded == whole


def test_refused_poses_move_nothing():
    m = mapped(FRAMES[:3])
    scene, stamp = m.scene, FRAMES[0].stamp_ns
    with pytest.raises(InputError, match="poses of keyframes"):
        m.set_poses({stamp: moved(FRAMES[0], 0.3), 12345: np.eye(4)})
    with pytest.raises(InputError, match="rotation|rigid|orthonormal"):
        m.set_poses({stamp: moved(FRAMES[0], 0.3), FRAMES[1].stamp_ns: 2 * np.eye(4) - 1})
    m.remove_frames([12345])
    assert m.refresh() is scene


def test_of_two_frames_that_meet_the_better_stays():
    m = mapped(FRAMES[:3])
    first, second = FRAMES[0], FRAMES[1]
    gone = m.set_poses({second.stamp_ns: first.map_from_camera})
    assert len(gone) == 1 and gone[0] in (first.stamp_ns, second.stamp_ns)
    assert m.n_keyframes == 2


def test_a_frame_of_the_same_stamp_is_another_if_it_shows_something_else():
    m = mapped(FRAMES[:4])
    other = replace(FRAMES[2], stamp_ns=FRAMES[0].stamp_ns)
    m.remove_frames([other.stamp_ns, FRAMES[2].stamp_ns])
    m.add_frame(other)
    assert_same_content(m.refresh(), mapped([FRAMES[1], other, FRAMES[3]]).scene)


def test_frames_extend_a_map_that_was_loaded_without_its_keyframes():
    """From one side first: what the new frames do not show stays, with its views and ids."""
    saved = mapped(FRAMES[:4]).scene
    m = mapper()
    loaded = m.load(saved)
    assert m.refresh() is loaded
    m.add_frame(FRAMES[5])
    grown = m.refresh()
    assert len(grown.cloud) > len(saved.cloud) and set(saved.ids) <= set(grown.ids)
    old = {int(i): set(s[s >= 0]) for i, s in zip(saved.ids, saved.views.stamps, strict=True)}
    new = {int(i): set(s[s >= 0]) for i, s in zip(grown.ids, grown.views.stamps, strict=True)}
    assert any(FRAMES[5].stamp_ns in stamps for stamps in new.values())
    assert all(new[i] & old[i] for i in old if old[i])
    for i, stamps in enumerate(grown.views.stamps):
        assert len(grown.thumbnails[i]) == int((stamps >= 0).sum())
    m.remove_frames([FRAMES[5].stamp_ns])
    assert_same_content(m.refresh(), saved)


def test_frames_that_are_seen_again_replace_the_views_that_were_loaded():
    saved = mapped(FRAMES).scene
    m = mapper()
    m.load(saved)
    for frame in FRAMES:
        m.add_frame(frame)
    assert_same_content(m.refresh(), saved)


def test_settings_that_changed_make_a_loaded_map_anew():
    other = build(MapSettings, {**values_of(SETTINGS), "views.top_k": 2})
    old, m = mapped(FRAMES), mapper(other)
    m.load(*old.snapshot())
    assert_same_content(m.refresh(), mapped(FRAMES, other).scene)

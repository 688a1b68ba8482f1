"""One set of stream settings for live and recorded streams."""

from __future__ import annotations

from om3d_core.settings import flatten
from om3d_core.streams.settings import (
    MapFrameSettings,
    PoseSettings,
    RecordedPoseSettings,
    RecordedStreamSettings,
    SyncSettings,
)


def test_a_recording_has_every_choice_of_a_live_stream():
    live = {leaf.name: leaf for leaf in flatten(PoseSettings)}
    recorded = {leaf.name: leaf for leaf in flatten(RecordedPoseSettings)}
    assert set(live["source"].constraint.choices) < set(recorded["source"].constraint.choices)
    assert recorded["max_gap_s"] == live["max_gap_s"]
    for choice in live["source"].constraint.choices:
        assert PoseSettings(choice).source == RecordedPoseSettings(choice).source


def test_the_names_of_a_recording_are_those_of_the_parameters():
    names = {leaf.name for leaf in flatten(RecordedStreamSettings)}
    assert {leaf.name for leaf in flatten(MapFrameSettings)} < names
    assert {f"sync.{leaf.name}" for leaf in flatten(SyncSettings)} < names
    assert {"pose.source", "pose.max_gap_s", "depth.units_per_m", "map_frame"} < names


def test_the_wait_covers_the_slop():
    assert SyncSettings(slop_s=1.0, wait_s=0.5).wait_ns == 2_000_000_000
    assert SyncSettings(slop_s=0.01, wait_s=0.5).wait_ns == 500_000_000

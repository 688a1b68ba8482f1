"""A recorded scene from the command line: its flags are the parameters of the live node."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from helpers.bag_maker import OPTICAL, BagMaker
from helpers.recorded_scene import HEIGHT, WIDTH, K, color_of, depth_of, pose_of, write_scene

from om3d_core import cli
from om3d_core.commands.console import parse_with_preset
from om3d_core.commands.source import add_source_flags, source_from
from om3d_core.data.frame import clean_depth
from om3d_core.errors import SourceError
from om3d_core.formats.image_fields import encode_image
from om3d_core.sources.bag.source import RosbagSource
from om3d_core.sources.open import open_source
from om3d_core.streams.settings import RecordedPoseSettings, RecordedStreamSettings

STEP_NS = 100_000_000
BAG_LAG_NS = 30_000_000


def opened(*arguments):
    parser = argparse.ArgumentParser("om3d run")
    add_source_flags(parser)
    return source_from(parse_with_preset(parser, [str(a) for a in arguments]))


@pytest.fixture
def bag(tmp_path):
    """Four frames whose depth comes late by stamp, with poses in tf only, in frame "site"."""
    path = tmp_path / "tf"
    with BagMaker(path) as bag:
        for n in range(4):
            at = n * STEP_NS
            bag.tf("/tf", at, [("site", OPTICAL, pose_of(n))])
            bag.info("/color/camera_info", at, K, WIDTH, HEIGHT)
            bag.image("/color/image_raw", at, encode_image(color_of(n), "rgb8"))
            bag.image("/depth/image_raw", at + BAG_LAG_NS, encode_image(depth_of(n), "16UC1"))
    return path


def test_flags_of_the_streams_reach_a_bag(bag):
    flags = ("--map_frame", "site", "--sync.slop_s", 0.03)
    frames = list(opened(bag, *flags, "--depth.units_per_m", 2000))
    assert len(frames) == 4
    assert np.array_equal(frames[0].depth, clean_depth(depth_of(0), 2000.0))
    assert not list(opened(bag, *flags[:2]))
    with pytest.raises(SourceError, match="no pose topic"):
        opened(bag, *flags, "--pose.source", "odometry")
    with pytest.raises(SourceError, match="set --map_frame"):
        opened(bag)


def test_the_depth_unit_reaches_a_folder(tmp_path):
    scene = write_scene(tmp_path / "scene")
    frame = next(iter(opened(scene, "--depth.units_per_m", 2000)))
    assert np.array_equal(frame.depth, clean_depth(depth_of(0), 2000.0))


def test_the_preset_of_defaults_leaves_a_recording_its_own(bag):
    """It lists the defaults of the node, whose poses come from odometry."""
    flags = ("--map_frame", "site", "--sync.slop_s", 0.03)
    assert len(list(opened(bag, *flags, "--preset", "default"))) == 4


def test_a_parameter_file_of_the_node_serves_a_bag(bag, tmp_path):
    own = tmp_path / "mine.yaml"
    own.write_text(
        "/**/mapper:\n  ros__parameters:\n    map_frame: site\n    sync: {slop_s: 0.04}\n"
        "    sensor: {qos_depth: 9}\n    pose: {max_gap_s: 0.7}\n"
    )
    assert len(list(opened(bag, "--preset", own))) == 4


def test_one_flag_names_the_frame_read_and_written(bag, tmp_path):
    out = tmp_path / "out.mcap"
    arguments = [str(bag), str(out), "--map_frame", "site", "--sync.slop_s", "0.03"]
    assert cli.main(["bag", *arguments]) == 0
    poses = RecordedPoseSettings(source="tf")
    written = RosbagSource(out, streams=RecordedStreamSettings(map_frame="site", pose=poses))
    assert len(list(written)) == 4
    for n, frame in enumerate(open_source(out)):
        np.testing.assert_allclose(frame.map_from_camera, pose_of(n), atol=1e-9)

"""The rows about the nodes: bytes of messages, and what becomes of a camera's frames."""

from __future__ import annotations

from dataclasses import replace
from functools import partialmethod

import numpy as np
import pytest
from helpers.worlds import tabletop, write_folder

from om3d_core import cli
from om3d_core.bench.rows import FAIL, PASS, SPECS
from om3d_core.bench.workbench import SceneChoice, workbench
from om3d_core.commands import bench as core_command
from om3d_core.mapping.fusion import FusionSettings
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job
from om3d_core.streams.settings import DepthSettings
from om3d_ros.bench import live
from om3d_ros.bench.measures import NODES
from om3d_ros.bench.messages import answers, camera_messages, unchanged
from om3d_ros.commands import bench as command
from om3d_ros.conversions.images import Shot, to_frame
from om3d_ros.mapper_session import MappingSession


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A table, mapped coarsely with the default models."""
    scene = write_folder(tmp_path_factory.mktemp("bench") / "table", tabletop(8, 160, 120))
    with workbench(SceneChoice(scene), Job()) as bench:
        bench.settings = replace(MapSettings(), fusion=FusionSettings(voxel_m=0.03))
        yield bench


def test_each_row_about_the_nodes_is_measured():
    assert set(NODES) == {spec.id for spec in SPECS if spec.needs_nodes}


def test_the_command_measures_them_where_they_can_be_imported(monkeypatch):
    assert cli._command("bench") is command.main
    monkeypatch.setitem(cli.WITH_NODES, "bench", "om3d_ros.commands.no_such_module")
    assert cli._command("bench") is core_command.main


def test_a_camera_publishes_what_the_frame_holds(bench):
    frame = bench.frames[3]
    messages = camera_messages(frame, 7_000_000_000)
    shot = Shot(
        7_000_000_000, messages["color"], messages["depth"], messages["camera_info"],
        frame.map_from_camera,
    )
    back = to_frame(shot, DepthSettings(), rectified=False)
    assert np.array_equal(back.rgb, frame.rgb) and back.intrinsics == frame.intrinsics
    np.testing.assert_allclose(back.depth, frame.depth, atol=6e-4)
    assert messages["tf"].transforms[0].header.stamp.sec == 7


def test_nothing_is_published_of_what_did_not_change(bench):
    row = unchanged(bench)
    assert row.verdict == PASS and row.value == 0 and row.details["refresh_kb"] == 0
    assert row.details["full_state_kb"] > 20


def test_a_mapper_that_sends_all_again_fails(bench, monkeypatch):
    monkeypatch.setattr(
        MappingSession, "refresh", partialmethod(MappingSession.refresh, force=True)
    )
    row = unchanged(bench)
    assert row.verdict == FAIL and row.value == pytest.approx(100, abs=1)


def test_the_largest_answer_is_measured(bench):
    row = answers(bench)
    assert row.verdict == PASS and 0.1 < row.value < 50
    assert row.details["with_thumbnails_and_markers_kb"] > 3 * row.value


@pytest.mark.slow
def test_what_becomes_of_a_reliable_cameras_frames(bench):
    seen = live._watch(bench, "reliable", 10.0, 15, listen=True)
    assert seen.published == seen.heard == seen.status.frames_processed == 15
    assert float(seen.values[live.CALLBACK]) > 0 and 1.3 < seen.took_s < 30
    assert seen.queue

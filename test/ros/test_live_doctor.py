"""The doctor listens to real topics as a mapper would."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from helpers.robot import Talker
from helpers.worlds import tabletop

from om3d_core.data.poses import inverse
from om3d_core.errors import Om3dError
from om3d_core.settings import build
from om3d_ros.commands import doctor
from om3d_ros.live_doctor import examine_live
from om3d_ros.node.settings import MapperNodeSettings
from om3d_ros.replay.client import Client

FRAMES = tabletop(14, sway_m=0.5)
INVERTED = [replace(f, map_from_camera=inverse(f.map_from_camera)) for f in FRAMES]
MS, SECONDS = 1_000_000, 2.5


@pytest.fixture(scope="module")
def talker(ros_domain_id):
    with Client(ros_domain_id) as client:
        yield Talker(client)


def while_sending(talker, frames, work, **options):
    """What ``work`` returns while frames are sent, again and again."""
    result = []
    thread = threading.Thread(target=lambda: result.append(work()))
    thread.start()
    lap = 0
    while thread.is_alive():
        for frame in frames:
            talker.send(frame, shift_ns=lap * 2_000 * MS, **options)
            talker.client.spin(0.03)
        lap += 1
    return result[0]


def examined(talker, frames, *arguments, **options):
    settings = build(MapperNodeSettings, {"pose.source": "odometry"})
    return while_sending(
        talker, frames, lambda: examine_live(settings, SECONDS, arguments), **options
    )


def test_a_healthy_robot_has_no_fault(talker):
    found = examined(talker, FRAMES)
    assert not found.findings, found
    assert "/color/image_raw" in found.told[0] and "frames agree" in found.told[-1]


def test_inverse_poses_and_a_misnamed_topic_are_told(talker, tmp_path, capsys):
    argv = [
        "--live", "--seconds", str(SECONDS), "--pose.source", "odometry", "--json",
        str(tmp_path / "found.json"),
    ]
    assert while_sending(talker, INVERTED, lambda: doctor.main(argv)) == 1
    assert "camera_from_map" in capsys.readouterr().out
    assert "pose inverse" in (tmp_path / "found.json").read_text()
    found = examined(talker, FRAMES, "-r", "depth/image_raw:=/depth/image")
    (finding,) = found.findings
    assert finding.said == "there is no topic /depth/image"
    assert finding.flag == "-r depth/image_raw:=/depth/image_raw"


def test_wrong_arguments_are_told_in_one_line():
    with pytest.raises(Om3dError, match="--ros-args: .*foo"):
        examine_live(MapperNodeSettings(), SECONDS, ("-r", "foo"))


def test_a_publisher_that_is_not_heard_is_told(talker):
    settings = build(MapperNodeSettings, {"pose.source": "pose", "sensor.reliability": "reliable"})
    found = while_sending(talker, FRAMES, lambda: examine_live(settings, SECONDS))
    kinds = {finding.kind: finding for finding in found.findings}
    assert "/pose" in kinds["quality of service"].said
    assert kinds["quality of service"].flag == "sensor.reliability:=best_effort"
    assert kinds["pose topic"].said == "nothing comes on /pose"

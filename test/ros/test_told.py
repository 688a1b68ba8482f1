"""What is wrong with the inputs is told on the console once, and in diagnostics while it lasts."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from helpers.diagnostics import Diagnostics
from helpers.robot import Robot
from helpers.worlds import tabletop
from om3d.action import Refresh
from rclpy.action import ActionClient

from om3d_core.data.poses import inverse
from om3d_core.streams.usage import WINDOW_S
from om3d_ros.first_look import ENOUGH
from om3d_ros.replay.client import Client
from om3d_ros.replay.processes import NodeProcess, Processes

FRAMES, SECOND = 8, 1_000_000_000


def test_absent_topics_and_an_absent_clock_are_told_once_with_their_cure(tmp_path, ros_domain_id):
    logs = {name: tmp_path / f"{name}.log" for name in ("mapper", "query")}
    nodes = Processes()
    for name, log in logs.items():
        nodes.add(NodeProcess(
            f"om3d_ros.{name}_node", log, ros_domain_id, {"autostart": True, "use_sim_time": True}
        ))
    with nodes, Client(ros_domain_id, nodes.check) as client:
        client.spin_until(
            lambda: all("on /clock" in log.read_text() for log in logs.values()), 60.0, "the clock"
        )
        client.spin_until(lambda: "odometry_topic" in logs["mapper"].read_text(), 10.0, "the rest")
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            client.spin()
        assert "/clock" in Diagnostics(client).next("/mapper").message
        said = logs["mapper"].read_text()
        for topic, cure in (
            ("color/image_raw", "remap color/image_raw"),
            ("depth/image_raw", "remap depth/image_raw"),
            ("color/camera_info", "remap color/camera_info"),
            ("tf", "pose.source says which topic"),
        ):
            told = [line for line in said.splitlines() if f"nothing publishes /{topic} " in line]
            assert len(told) == 1 and cure in told[0], said
        assert "cloud_map" not in said
        for log in logs.values():
            said = "use_sim_time is true, but nothing came on /clock"
            assert log.read_text().count(said) == 1


@pytest.fixture(scope="module")
def robot(tmp_path_factory, ros_domain_id):
    with Robot(tmp_path_factory.mktemp("told"), ros_domain_id) as robot:
        robot.health = Diagnostics(robot.client)
        yield robot.wait_until_ready()


def test_a_fault_is_told_while_it_is_recent_and_no_longer(robot):
    frames = tabletop(2, 320, 240)
    robot.stream(frames[:1], encoding="yuv777")
    status = robot.health.next("/mapper")
    assert status.level == DiagnosticStatus.WARN and "last error" in status.message
    end = time.monotonic() + 3 * WINDOW_S
    while "last error" in (message := robot.health.next("/mapper").message):
        assert time.monotonic() < end, message
        robot.client.spin(0.2)
    assert robot.health.values("/mapper")["inputs_rejected"] == "1"


def test_a_clear_ends_what_is_told(robot):
    robot.stream(tabletop(2, 320, 240)[:1], encoding="yuv777", shift_ns=SECOND)
    assert "last error" in robot.health.next("/mapper").message
    robot.clear()
    assert "last error" not in robot.health.next("/mapper").message


def test_a_good_stream_is_well_and_its_silence_is_told(robot):
    seconds = iter(range(100, 160))

    def is_well():
        robot.stream(tabletop(FRAMES, 320, 240), shift_ns=next(seconds) * SECOND)
        status = robot.health.next("/mapper")
        return status.level == DiagnosticStatus.OK and status.message == "ok"

    robot.wait(is_well, "all to be well")
    robot.wait(lambda: "no messages on color for" in robot.health.next("/mapper").message, "it")
    assert "camera_info" not in robot.health.next("/mapper").message
    assert "1 publishers of /color/image_raw, reliable" in robot.health.next("/mapper").message


def test_a_canceled_refresh_is_no_failure(robot):
    robot.stream(tabletop(FRAMES, 320, 240), shift_ns=200 * SECOND)
    before = robot.client.status.refreshes_failed
    refreshes = ActionClient(robot.client.node, Refresh, "mapper/refresh")
    robot.wait(refreshes.server_is_ready, "the action server")
    with robot.held():
        sent = refreshes.send_goal_async(Refresh.Goal())
        robot.wait(lambda: robot.client.status.busy, "the refresh")
        robot.wait(sent.result().cancel_goal_async().done, "the cancelation")
        robot.wait(lambda: not robot.client.status.busy, "the end of the refresh")
    refreshes.destroy()
    assert robot.client.status.refreshes_failed == before


def test_first_keyframes_that_contradict_each_other_are_told_until_a_clear(robot):
    robot.clear()
    assert "camera_from_map" not in robot.health.next("/mapper").message
    robot.stream([
        replace(frame, map_from_camera=inverse(frame.map_from_camera))
        for frame in tabletop(ENOUGH + 2, sway_m=0.5)
    ], shift_ns=300 * SECOND)
    robot.wait(lambda: "camera_from_map" in robot.health.next("/mapper").message, "the finding")
    robot.clear()
    assert "camera_from_map" not in robot.health.next("/mapper").message

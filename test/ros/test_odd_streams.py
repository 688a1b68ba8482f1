"""Streams as robots have them: poses out of order, changed cameras, clocks that jump."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from helpers.diagnostics import Diagnostics
from helpers.robot import Robot
from helpers.worlds import tabletop
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock

from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.poses import from_matrix
from om3d_ros.conversions.stamps import header, stamp_ns
from om3d_ros.node import qos

FRAMES, SECOND = 12, 1_000_000_000


@pytest.fixture
def robot(tmp_path, ros_domain_id):
    with Robot(tmp_path, ros_domain_id, mapper={"use_sim_time": True}) as robot:
        robot.clock = robot.client.node.create_publisher(Clock, "/clock", qos.results())
        robot.health = Diagnostics(robot.client)
        robot.wait_until_ready()
        robot.wait(robot.clock.get_subscription_count, "a subscription to /clock")
        yield robot


def odometry(frame):
    message = Odometry(header=header("map", frame.stamp_ns), child_frame_id="camera")
    message.pose.pose = from_matrix(frame.map_from_camera)
    return message


def boxes(robot):
    _, array = robot.refresh()
    return [np.round([*b.center, *b.size], 4).tolist() for b in array.boxes]


def send_all(robot, frames, order):
    """All images and camera_infos in order, poses in another, two after every other image."""
    start = robot.done()
    for i in range(0, len(frames), 2):
        robot.send(frames[i], without=("odometry",))
        for j in order[i : i + 2]:
            robot.publishers["odometry"].publish(odometry(frames[j]))
        robot.client.spin(0.02)
        robot.send(frames[i + 1], without=("odometry",))
    robot.wait(lambda: robot.done() >= start + len(frames), "all frames")


def test_poses_out_of_order_give_the_same_map(robot):
    frames = tabletop(FRAMES, 320, 240)
    send_all(robot, frames, range(FRAMES))
    clean = boxes(robot)
    robot.clear()
    later = [replace(frame, stamp_ns=frame.stamp_ns + 10 * SECOND) for frame in frames]
    send_all(robot, later, [i ^ 1 for i in range(FRAMES)])
    assert clean and boxes(robot) == clean
    assert robot.client.status.frames_unpaired == 0


def test_a_clock_that_jumps_ahead_and_back_is_told_and_time_goes_on(robot):
    views = tabletop(3, 320, 240)
    for second, frame in zip((50, 4950, 53), views, strict=True):
        for _ in range(5):
            robot.clock.publish(Clock(clock=Time(sec=second)))
            robot.client.spin(0.2)
        robot.stream([replace(frame, stamp_ns=second * SECOND)])
        robot.refresh()
        assert stamp_ns(robot.client.instances.header.stamp) == second * SECOND
    log = (robot.folder / "mapper-0.log").read_text()
    assert "the clock jumped by +4900.000 s" in log and "the clock jumped by -4897.000 s" in log
    assert int(robot.health.values("/mapper")["jumps back"]) >= 1
    assert robot.client.status.frames_processed == 3


def test_a_camera_info_that_changes_is_taken_up_and_told(robot):
    small, large = tabletop(2, 320, 240), tabletop(2, 640, 480)
    robot.stream(small)

    def both_came():
        return int(robot.health.values("/mapper")["received camera_info"]) >= len(small)

    robot.wait(both_came, "the camera_info of both images, which DDS may send again")
    robot.stream(large, shift_ns=10 * SECOND)
    assert robot.client.status.frames_processed == 4
    assert robot.client.status.inputs_rejected == 0
    assert "camera_info changed from 320 x 240" in (robot.folder / "mapper-0.log").read_text()


def test_silence_ends_the_waiting_for_something_better(robot):
    """The last image lies between the last two poses; nothing comes after it."""
    first, last = tabletop(2, 320, 240)
    between = replace(first, stamp_ns=(first.stamp_ns + last.stamp_ns) // 2)
    for frame in (first, last):
        robot.publishers["odometry"].publish(odometry(frame))
    at = header("camera", between.stamp_ns)
    for name, message in (
        ("camera_info", from_intrinsics(between.intrinsics, at)),
        ("depth", from_pixels(between.depth, "32FC1", at)),
        ("color", from_pixels(between.rgb, "rgb8", at)),
    ):
        robot.publishers[name].publish(message)
    robot.wait(lambda: robot.client.status.frames_processed == 1, "the frame")
    assert robot.client.status.pending == 0

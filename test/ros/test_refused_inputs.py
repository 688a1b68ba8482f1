"""Inputs that no map can be made of are refused, and the map goes on as if they had not come."""

from __future__ import annotations

import pytest
from builtin_interfaces.msg import Time
from helpers.diagnostics import Diagnostics
from helpers.robot import Robot
from helpers.worlds import tabletop
from om3d.msg import Error

from om3d_core.data.cloud import Cloud
from om3d_ros.conversions.clouds import from_cloud
from om3d_ros.conversions.stamps import header

AFTER_ALL_TIME = Time(sec=2**31 - 1, nanosec=2**32 - 1)


@pytest.fixture
def robot(tmp_path, ros_domain_id):
    """With a map of a few frames."""
    with Robot(tmp_path, ros_domain_id) as robot:
        robot.wait_until_ready().stream(tabletop(4, 160, 120))
        robot.refresh()
        yield robot


def reject_cloud(robot, message):
    """Send a cloud that must be refused, with a refresh after it; the text of the refusal."""
    before, frames = robot.client.status, tabletop(5, 160, 120)[4:]
    robot.publishers["cloud"].publish(message)
    robot.wait(lambda: robot.client.status.inputs_rejected > before.inputs_rejected, "a refusal")
    said = Diagnostics(robot.client).next("/mapper").message
    robot.stream(frames)
    result, scene = robot.refresh()
    assert result.error_code == Error.NONE and len(scene) >= 4
    assert robot.client.status.clouds_processed == before.clouds_processed
    return said


def test_a_cloud_without_a_point_does_not_end_the_map(robot):
    said = reject_cloud(robot, from_cloud(Cloud.empty(), header("map", 1)))
    assert "cloud_map" in said and "point" in said


def test_a_stamp_after_all_time_does_not_keep_the_map_from_being_published(robot):
    message = from_cloud(robot.client.scene.cloud, header("map", 1))
    message.header.stamp = AFTER_ALL_TIME
    assert "header.stamp" in reject_cloud(robot, message)


def test_what_is_told_of_a_refusal_is_short(robot):
    said = reject_cloud(robot, from_cloud(robot.client.scene.cloud, header("x" * 1_000_000, 1)))
    assert "header.frame_id" in said and len(said) < 5_000
    assert robot.mapper.log.stat().st_size < 20_000

"""Frames are taken in while a refresh is under way, and are in the next one."""

from __future__ import annotations

from pathlib import Path

from helpers.robot import Robot
from helpers.small_mapper import assert_same_content
from helpers.worlds import tabletop
from om3d.action import Refresh
from rclpy.action import ActionClient

from om3d_core.data.scene_store import load_scene

FRAMES = tabletop(8, 160, 120)


def test_a_refresh_does_not_keep_frames_waiting(tmp_path, ros_domain_id):
    with Robot(tmp_path, ros_domain_id) as robot:
        robot.wait_until_ready().stream(FRAMES[:4])
        client = ActionClient(robot.client.node, Refresh, "mapper/refresh")
        robot.wait(client.server_is_ready, "the action server")
        with robot.held():
            sent = client.send_goal_async(Refresh.Goal(force=True))
            robot.wait(sent.done, "the goal to be accepted")
            robot.wait(lambda: robot.client.status.busy, "the refresh")
            robot.stream(FRAMES[4:])
            status, answer = robot.client.status, sent.result().get_result_async()
            assert status.frames_kept == len(FRAMES) and status.busy and not answer.done()
        robot.wait(answer.done, "the refresh that was held")
        client.destroy()
        robot.refresh()
        grown = load_scene(Path(robot.save("room").path))
        robot.clear()
        later = 100_000_000_000
        robot.stream(FRAMES, shift_ns=later)
        robot.refresh()
        batch = load_scene(Path(robot.save("again").path))
    batch.views.stamps[batch.views.valid] -= later
    assert_same_content(grown, batch)

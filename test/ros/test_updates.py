"""What goes over the wire of a map, between real processes over DDS."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from helpers.doubles import ColorEncoder
from helpers.robot import Robot
from helpers.worlds import tabletop
from om3d.action import Refresh
from om3d.msg import MapUpdate
from om3d.srv import ListInstances
from rclpy.action import ActionClient
from sensor_msgs.msg import PointCloud2
from vision_msgs.msg import Detection3DArray

from om3d_core.data.scene_store import load_scene
from om3d_core.query.scene_query import SceneQuery
from om3d_ros.map_copy import MapCopy
from om3d_ros.node import qos

FIRST, LOST = 4, 5
DEPTH = "qos_overrides./mapper/updates.{}.depth"
"""With few messages in a queue they are lost in little time."""
MINUTE_NS = 60_000_000_000


class Follower:
    """One more subscriber of the updates."""

    def __init__(self, robot):
        self.robot, self.copy = robot, MapCopy()
        self.updates, self.parts = [], None
        self._subscription = robot.client.node.create_subscription(
            MapUpdate, "mapper/updates", self._take, qos.results()
        )

    def _take(self, update):
        self.updates.append(update)
        taken = self.copy.take(update)
        self.parts = taken[0] if taken else self.parts

    def close(self):
        self.robot.client.node.destroy_subscription(self._subscription)


@pytest.fixture(scope="module")
def frames():
    return tabletop(FIRST + 1 + LOST, 160, 120)


@pytest.fixture(scope="module")
def robot(tmp_path_factory, ros_domain_id, frames):
    few = {DEPTH.format("publisher"): 1}, {DEPTH.format("subscription"): 1}
    with Robot(tmp_path_factory.mktemp("updates"), ros_domain_id, *few) as robot:
        robot.wait_until_ready().stream(frames[: FIRST // 2])
        robot.refresh()
        robot.stream(frames[FIRST // 2 : FIRST])
        robot.refresh()
        yield robot


@pytest.fixture
def follower(robot):
    follower = Follower(robot)
    robot.wait(lambda: follower.parts is not None, "a map for who comes late")
    yield follower
    follower.close()


def in_query_node(robot):
    return robot.call(ListInstances, "query/list_instances").map


def refresh_unforced(robot):
    """Refresh as the timer does."""
    client = ActionClient(robot.client.node, Refresh, "mapper/refresh")
    robot.wait(client.server_is_ready, "the action")
    sent = client.send_goal_async(Refresh.Goal())
    robot.wait(sent.done, "the goal")
    result = sent.result().get_result_async()
    robot.wait(result.done, "the result")
    client.destroy()
    return result.result().result


def test_who_comes_late_gets_the_whole_map(robot, follower):
    (whole, *_) = follower.updates
    assert whole.base == 0 and whole.revision == 2
    scene, mine = robot.client.scene, follower.parts.scene()
    assert np.array_equal(mine.cloud.points, scene.cloud.points) and mine.revision == 2
    assert np.array_equal(mine.masks.indices, scene.masks.indices)


def test_topics_for_people_are_filled_when_somebody_comes(robot):
    got = {}
    subscriptions = [
        robot.client.node.create_subscription(
            kind, f"mapper/{name}", lambda message, name=name: got.update({name: message}),
            qos.latched(),
        )
        for name, kind in (("detections", Detection3DArray), ("instance_cloud", PointCloud2))
    ]
    robot.wait(lambda: len(got) == 2, "detections and cloud")
    scene = robot.client.scene
    things = [i for i, s in zip(scene.ids, scene.masks.structure, strict=True) if not s]
    assert [int(d.id) for d in got["detections"].detections] == things
    assert got["instance_cloud"].width >= len(scene.cloud)
    for subscription in subscriptions:
        robot.client.node.destroy_subscription(subscription)


def test_a_refresh_publishes_what_is_new(robot, follower, frames):
    known = len(follower.updates)
    robot.stream(frames[:FIRST], shift_ns=MINUTE_NS)
    assert refresh_unforced(robot).revision == 2
    robot.stream(frames[FIRST : FIRST + 1])
    result, scene = robot.refresh()
    robot.wait(lambda: follower.parts.revision == result.revision, "the update")
    (update,) = follower.updates[known:]
    assert (update.base, update.revision) == (2, 3) and update.map_id == scene.map_id
    assert np.array_equal(follower.parts.words[:, :3].view(np.float32), scene.cloud.points)


def test_what_a_query_node_missed_is_made_good(robot, follower, frames):
    robot.query.send_signal(signal.SIGSTOP)
    try:
        for frame in frames[FIRST + 1 :]:
            robot.stream([frame])
            result = robot.client.refresh()
    finally:
        robot.query.send_signal(signal.SIGCONT)
    robot.wait(lambda: in_query_node(robot).revision == result.revision, "the newest map")
    assert 0 in [update.base for update in follower.updates[1:]]
    saved = load_scene(Path(robot.save("whole").path))
    for text in ("red", "green", "blue"):
        expected = SceneQuery(saved, ColorEncoder()).text(text).matches
        got = robot.text(text).matches
        assert [m.id for m in got] == [m.instance_id for m in expected]
        assert np.allclose([m.similarity for m in got], [m.similarity for m in expected], atol=0)

"""The planning scene of a motion planner that hears the mapper, over DDS."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers.robot import Robot
from helpers.scenes import make_scene
from helpers.worlds import tabletop

from om3d_ros.node import qos
from om3d_ros.node.settings import MoveitSettings
from om3d_ros.planning_scene import PlanningScenePublisher

pytest.importorskip("moveit_msgs.msg", reason="needs moveit_msgs of an installed ROS 2")
from moveit_msgs.msg import CollisionObject, PlanningScene  # noqa: E402
from shape_msgs.msg import SolidPrimitive  # noqa: E402

PADDING_M, END_S = 0.02, 20.0


class Planner:
    """Applies differences as MoveIt does."""

    def __init__(self, node=None):
        self.world, self.messages = {}, 0
        if node is not None:
            node.create_subscription(PlanningScene, "planning_scene", self.take, qos.results())

    def take(self, scene):
        assert scene.is_diff and scene.robot_state.is_diff
        self.messages += 1
        for made in scene.world.collision_objects:
            if made.operation == CollisionObject.REMOVE:
                del self.world[made.id]
            else:
                assert made.operation == CollisionObject.ADD
                self.world[made.id] = made


class OneTopic:
    """A node in whose hands are its timer, and the messages that it published."""

    def __init__(self):
        self.planner = Planner()
        self.publisher = lambda *names, **options: None
        self.repeat = lambda period_s, tick: setattr(self, "tick", tick)
        self.publish = lambda publisher, message: self.planner.take(message)


def test_what_left_the_map_leaves_the_scene_in_time():
    node, scene = OneTopic(), make_scene()
    planning = PlanningScenePublisher(node, MoveitSettings(keep_s=0.2))
    planning.start()
    planning.publish(scene, "map", True)
    everything = set(node.planner.world)
    planning.publish(replace(scene, ids=scene.ids + len(scene)), "map", False)
    assert len(node.planner.world) == 2 * len(everything)
    node.tick()
    assert everything <= node.planner.world.keys()
    time.sleep(0.25)
    node.tick()
    assert not everything & node.planner.world.keys()
    assert len(node.planner.world) == len(everything)


def test_a_planner_follows_the_map(tmp_path, ros_domain_id):
    own = {"moveit.enabled": True, "moveit.padding_m": PADDING_M, "moveit.keep_s": 3600.0}
    with Robot(tmp_path, ros_domain_id, mapper=own) as robot:
        planner = Planner(robot.client.node)
        robot.wait_until_ready().stream(tabletop(4, 160, 120))
        _, scene = robot.refresh()
        objects = ~scene.masks.structure
        names = {f"om3d/{number}" for number in scene.ids[objects]}
        assert names
        robot.wait(lambda: planner.world.keys() == names, "the objects")
        for number, box in zip(scene.ids, scene.boxes, strict=True):
            made = planner.world[f"om3d/{number}"]
            assert made.header.frame_id == "map"
            (solid,), (place,) = made.primitives, made.primitive_poses
            assert solid.type == SolidPrimitive.BOX
            assert np.allclose(solid.dimensions, box.size + 2 * PADDING_M, atol=1e-6)
            center = made.pose.position
            assert np.allclose([center.x, center.y, center.z], box.center, atol=1e-6)
            assert (place.position.x, place.orientation.w) == (0.0, 1.0)

        told = planner.messages
        robot.refresh()
        late = Planner(robot.client.node)
        robot.wait(lambda: late.world.keys() == names, "the objects, late")
        assert planner.messages <= told + 1, "nothing changed, but for who came late"

        assert robot.transition("mapper", "deactivate")
        robot.wait(lambda: not planner.world, "the end of the objects while inactive")
        assert robot.transition("mapper", "activate")
        robot.wait(lambda: planner.world.keys() == names, "the objects again")

        robot.clear()
        robot.wait(lambda: not planner.world, "the end of the objects of a map that is cleared")
        robot.stream(tabletop(4, 160, 120))
        robot.refresh()
        robot.wait(lambda: planner.world, "new objects")
        robot.processes.nodes.remove(robot.mapper)
        robot.mapper.send_signal(signal.SIGINT)
        robot.wait(lambda: not planner.world, "the end of the objects of a mapper that ended")
        assert robot.mapper.wait(END_S) == 0
        assert "cannot " not in robot.mapper.log.read_text()

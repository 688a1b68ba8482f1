"""A mapper that loads what another one saved goes on where that one stopped."""

from __future__ import annotations

from pathlib import Path

from helpers.robot import Robot, code_name
from helpers.small_mapper import assert_same_content
from helpers.worlds import tabletop
from om3d.srv import ListInstances

from om3d_core.data.scene_store import load_map

FRAMES = tabletop(8, 160, 120)


def content(robot, name):
    """What a robot has mapped: its file, and what it publishes."""
    robot.refresh()
    saved = robot.save(name)
    assert code_name(saved.error_code) == "NONE", saved.error_msg
    published = robot.call(ListInstances, "query/list_instances", include_features=True)
    return load_map(Path(saved.path)), published


def test_a_restart_in_the_middle_does_not_show(tmp_path, ros_domain_id):
    for name in ("whole", "halves"):
        (tmp_path / name).mkdir()
    with Robot(tmp_path / "whole", ros_domain_id) as robot:
        robot.wait_until_ready().stream(FRAMES)
        (expected, kept), shown = content(robot, "room")
    with Robot(tmp_path / "halves", ros_domain_id) as robot:
        robot.wait_until_ready().stream(FRAMES[:5])
        content(robot, "room")
        robot.processes.nodes[0].stop()
        robot.processes.nodes.remove(robot.mapper)
        robot.start_mapper()
        robot.wait(lambda: robot.client.status is not None, "the new mapper")
        robot.wait_until_ready()
        loaded = robot.load("room")
        assert code_name(loaded.error_code) == "NONE", loaded.error_msg
        assert robot.client.refresh().n_encoded == 0
        robot.stream(FRAMES[5:])
        (scene, again), shown_again = content(robot, "room")
    assert_same_content(scene, expected)
    assert [k.stamp_ns for k in again] == [k.stamp_ns for k in kept]
    assert [i.id for i in shown_again.map.instances] == [i.id for i in shown.map.instances]
    for one, other in zip(shown.map.instances, shown_again.map.instances, strict=True):
        assert one.box_size == other.box_size
    for one, other in zip(shown.views, shown_again.views, strict=True):
        assert one.features[0].data == other.features[0].data


def test_a_map_without_keyframes_is_extended(tmp_path, ros_domain_id):
    with Robot(tmp_path, ros_domain_id, {"save.keyframes": False}) as robot:
        robot.wait_until_ready().stream(FRAMES[:3])
        (before, kept), _ = content(robot, "room")
        assert kept == ()
        robot.wait(lambda: code_name(robot.clear().error_code) == "NONE", "the clearing")
        assert code_name(robot.load("room").error_code) == "NONE"
        robot.stream([FRAMES[5]])
        (after, _), _ = content(robot, "room")
    assert set(before.ids) <= set(after.ids) and len(after.cloud) > len(before.cloud)

"""The presets of sensors: every parameter and topic is the mapper's, and they are installed."""

from __future__ import annotations

import ast
import inspect
import re

import pytest
from ament_index_python.packages import get_package_share_path
from rclpy.validate_topic_name import validate_topic_name

from om3d_core.errors import SettingsError
from om3d_ros import mapper_node
from om3d_ros.conversions.poses import POSE_TOPICS
from om3d_ros.mapper_streams import CAMERA_TOPICS
from om3d_ros.sensor_preset import INPUTS, read_sensor, remaps, sensor_folder, sensor_names

SENSORS = ["azure_kinect", "generic", "orbbec", "realsense", "zed"]
DRIVEN = [name for name in SENSORS if name != "generic"]
IMAGES = {"color_topic", "depth_topic", "camera_info_topic"}


def test_the_presets_are_those_and_are_installed():
    assert sensor_names() == SENSORS
    installed = get_package_share_path("om3d") / "config" / "sensors"
    for name in SENSORS:
        there = (installed / f"{name}.yaml").read_text()
        assert there == (sensor_folder() / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", SENSORS)
def test_every_parameter_is_the_mappers_with_a_value_that_it_takes(name):
    leaves = {leaf.name: leaf for leaf in mapper_node.PARAMETERS.leaves()}
    for parameter, value in read_sensor(name).parameters.items():
        leaf = leaves[parameter]
        assert leaf.constraint.check(parameter, leaf.kind, value) == value
        assert type(value) is leaf.kind


@pytest.mark.parametrize("name", DRIVEN)
def test_a_driver_has_topics_of_images_and_says_how_they_come(name):
    sensor = read_sensor(name)
    assert set(sensor.topics) >= IMAGES
    for cameras in ((), ("front",)):
        topics = [topic for argument, _, topic in remaps(sensor, {}, cameras)
                  if argument in sensor.topics]
        assert len(topics) == len(sensor.topics)
        for topic in topics:
            assert validate_topic_name(topic) and not topic.startswith("/")
    assert {
        "sensor.reliability", "sensor.transport", "sync.slop_s", "depth.units_per_m",
        "lens.images", "pose.source",
    } <= set(sensor.parameters)


@pytest.mark.parametrize("name", DRIVEN)
def test_a_preset_names_its_driver_and_what_was_not_run(name):
    comment = re.sub(r"\s*# ?", " ", (sensor_folder() / f"{name}.yaml").read_text())
    assert re.search(r"Read in: \S+/\S+.* commit [0-9a-f]{7}", comment)
    assert "Not run with a camera" in comment and "ros2 launch " in comment


def test_generic_changes_nothing():
    generic = read_sensor("generic")
    assert not generic.topics and not generic.parameters and not generic.camera
    assert remaps(generic, {}) == [(argument, own, own) for argument, own in INPUTS.items()]


def test_the_inputs_are_those_that_the_mapper_listens_to():
    tree = ast.parse(inspect.getsource(mapper_node))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    poses = {topic for _, topic in POSE_TOPICS.values()}
    assert set(INPUTS.values()) <= texts | poses | set(CAMERA_TOPICS.values())


def test_what_is_given_wins_over_the_preset_and_that_over_the_mappers_name():
    given = {"color_topic": "/mine", "depth_topic": ""}
    topics = {remap.argument: remap.topic for remap in remaps(read_sensor("realsense"), given)}
    assert topics["color_topic"] == "/mine"
    assert topics["depth_topic"] == "camera/camera/aligned_depth_to_color/image_raw"
    assert topics["pose_topic"] == "pose"


@pytest.mark.parametrize(
    ("name", "colors", "pose", "of_frame"),
    [
        ("generic", ["front/color/image_raw", "rear/color/image_raw"], "pose", None),
        ("realsense", ["front/front/color/image_raw", "rear/rear/color/image_raw"], "pose", None),
        ("orbbec", ["front/color/image_raw", "rear/color/image_raw"], "pose", None),
        ("azure_kinect", ["front/rgb/image_raw", "rear/rgb/image_raw"], "pose", None),
        (
            "zed",
            ["front/zed_node/rgb/color/rect/image", "rear/zed_node/rgb/color/rect/image"],
            "front/zed_node/pose", "front_camera_link",
        ),
    ],
)
def test_each_camera_has_its_topics_and_the_first_what_all_share(name, colors, pose, of_frame):
    sensor, cameras = read_sensor(name), ("front", "rear")
    found = remaps(sensor, {}, cameras)
    assert [r.topic for r in found if r.argument == "color_topic"] == colors
    assert {r.name for r in found} == {"cloud_map", "odometry", "pose"} | {
        f"{camera}/{topic}" for camera in cameras for topic in CAMERA_TOPICS.values()
    }
    assert [r.topic for r in found if r.argument == "pose_topic"] == [pose]
    assert sensor.parameters_for(cameras).get("pose.of_frame") == of_frame


def test_a_given_topic_has_a_place_for_the_name_of_each_of_several_cameras():
    generic = read_sensor("generic")
    given = {"color_topic": "/robot/{camera}/rgb"}
    found = remaps(generic, given, ("left", "right"))
    assert {r.name: r.topic for r in found if r.argument == "color_topic"} == {
        "left/color/image_raw": "/robot/left/rgb", "right/color/image_raw": "/robot/right/rgb",
    }
    with pytest.raises(SettingsError, match=r"depth_topic: .*\{camera\}.*left, right, got '/d'"):
        remaps(generic, {"depth_topic": "/d"}, ("left", "right"))
    (only,) = (r for r in remaps(generic, {"depth_topic": "/d"}, ("left",)) if r.topic == "/d")
    assert only.name == "left/depth/image_raw"


def test_an_unknown_sensor_is_told_with_the_known_ones():
    with pytest.raises(SettingsError, match=f"one of {', '.join(SENSORS)} or a .yaml .*'kinect'"):
        read_sensor("kinect")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a file of settings"),
        ("[1]", "expected node names"),
        ("topics: [a]", "topics by launch argument"),
        ("topics: {colour: /a}", "color_topic, .* got 'colour'"),
        ("topics: {color_topic: ''}", "color_topic: expected a topic"),
        ("camera: 7", "camera: expected a name, got 7"),
        ("topics: {color_topic: 7}", "color_topic: expected a topic, got 7"),
        ("mapper: {pose: 1}", "mapper: expected ros__parameters"),
        ("mapper: {ros__parameters: {pose: [1]}}", "pose: expected one value"),
    ],
)
def test_a_file_that_is_no_preset_is_told_by_its_name(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=message) as error:
        read_sensor(str(path))
    assert str(path) in str(error.value)


def test_a_file_of_ones_own_is_a_preset(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("topics: {depth_topic: d}\nmapper: {ros__parameters: {pose: {source: pose}}}")
    mine = read_sensor(str(path))
    assert mine.topics == {"depth_topic": "d"} and mine.parameters == {"pose.source": "pose"}

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
    for topic in sensor.topics.values():
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
    assert not generic.topics and not generic.parameters
    assert remaps(generic, {}) == INPUTS


def test_the_inputs_are_those_that_the_mapper_listens_to():
    tree = ast.parse(inspect.getsource(mapper_node))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    poses = {topic for _, topic in POSE_TOPICS.values()}
    assert set(INPUTS.values()) <= texts | poses | set(CAMERA_TOPICS.values())


def test_what_is_given_wins_over_the_preset_and_that_over_the_mappers_name():
    topics = remaps(read_sensor("realsense"), {"color_topic": "/mine", "depth_topic": ""})
    assert topics["color_topic"] == "/mine"
    assert topics["depth_topic"] == "camera/camera/aligned_depth_to_color/image_raw"
    assert topics["pose_topic"] == "pose"


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

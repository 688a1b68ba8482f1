"""The RViz configuration, and what becomes of it on a robot in a namespace."""

from __future__ import annotations

import pytest
import yaml

from om3d_ros.rviz_config import for_robot, map_frame_of

LATCHED = {"mapper/instance_cloud", "query/markers", "query/instance_markers"}


@pytest.fixture(scope="module")
def shipped(repository):
    return (repository / "config" / "om3d.rviz").read_text()


def displays(text):
    return yaml.safe_load(text)["Visualization Manager"]["Displays"]


def test_it_shows_latched_topics_as_such(shipped):
    topics = {d["Topic"]["Value"]: d["Topic"] for d in displays(shipped) if "Topic" in d}
    assert set(topics) == LATCHED | {"color/image_raw"}
    for name in LATCHED:
        assert topics[name]["Durability Policy"] == "Transient Local"
        assert topics[name]["Reliability Policy"] == "Reliable"
    assert {d["Class"] for d in displays(shipped)} >= {
        "rviz_default_plugins/PointCloud2", "rviz_default_plugins/MarkerArray",
        "rviz_default_plugins/Image",
    }


@pytest.mark.parametrize("namespace", ["", "robot", "/fleet/robot/"])
def test_topics_lie_in_the_namespace_and_what_is_renamed_where_it_is(shipped, namespace):
    text = for_robot(shipped, namespace, "/world", {"color/image_raw": "/camera/rgb"})
    space = {"": "", "robot": "/robot", "/fleet/robot/": "/fleet/robot"}[namespace]
    before, after = displays(shipped), displays(text)
    for old, new in zip(before, after, strict=True):
        if "Topic" not in old:
            assert new == old
            continue
        value = old["Topic"]["Value"]
        wanted = "/camera/rgb" if value == "color/image_raw" else f"{space}/{value}"
        assert new == {**old, "Topic": {**old["Topic"], "Value": wanted}}
    changed, same = yaml.safe_load(text), yaml.safe_load(shipped)
    options = changed["Visualization Manager"].pop("Global Options")
    assert options == {
        **same["Visualization Manager"].pop("Global Options"), "Fixed Frame": "world"
    }
    del changed["Visualization Manager"]["Displays"], same["Visualization Manager"]["Displays"]
    assert changed == same


def test_displays_in_a_group_follow_too():
    grouped = {"Visualization Manager": {"Global Options": {}, "Displays": [
        {"Class": "rviz_common/Group", "Displays": [{"Topic": {"Value": "a"}}, {"Topic": 3}]},
    ]}}
    (group,) = displays(for_robot(yaml.safe_dump(grouped), "robot", "map", {}))
    assert group["Displays"] == [{"Topic": {"Value": "/robot/a"}}, {"Topic": 3}]


@pytest.mark.parametrize(
    ("content", "frame"),
    [
        ("mapper: {ros__parameters: {map_frame: world}}", "world"),
        ("/**: {ros__parameters: {map_frame: odom}}", "odom"),
        ("query: {ros__parameters: {map_frame: world}}", "map"),
        ("other: {ros__parameters: {a: [1]}}", "map"),
        ("mapper: {ros__parameters: {a: [1]}}", "map"),
        (None, "map"),
    ],
)
def test_the_frame_is_that_of_the_parameters_or_the_default(tmp_path, content, frame):
    path = tmp_path / "own.yaml"
    if content is not None:
        path.write_text(content)
    assert map_frame_of(path) == frame

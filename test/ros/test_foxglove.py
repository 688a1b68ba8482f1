"""The layout for Foxglove: the structure of an export, and names that the nodes have."""

from __future__ import annotations

import inspect
import json
import re

import pytest
from om3d.srv import QueryText

from om3d_ros import map_publisher, mapper_node, query_node
from om3d_ros.conversions.instances import FIELDS
from om3d_ros.sensor_preset import INPUTS

KINDS = {"3D", "Image", "CallService", "DiagnosticSummary", "RawMessages"}


@pytest.fixture(scope="module")
def layout(repository):
    return json.loads((repository / "config" / "om3d.foxglove.json").read_text())


@pytest.fixture(scope="module")
def panels(layout):
    """The settings of the panels by their kind."""
    return {name.partition("!")[0]: config for name, config in layout["configById"].items()}


def own_names():
    """What the nodes publish and serve below their own names, by the node's."""
    return {
        f"/{name}/{topic}"
        for name, module in (
            ("mapper", mapper_node), ("mapper", map_publisher), ("query", query_node)
        )
        for topic in re.findall(r'"~/(\w+)"', inspect.getsource(module))
    }


def leaves(node):
    """The panels of a part of the layout, as they are split."""
    if isinstance(node, str):
        return [node]
    assert set(node) == {"direction", "first", "second", "splitPercentage"}
    assert node["direction"] in {"row", "column"} and 0 < node["splitPercentage"] < 100
    return leaves(node["first"]) + leaves(node["second"])


def test_it_is_built_as_an_export_is(layout, panels):
    assert set(layout) == {
        "configById", "globalVariables", "userNodes", "playbackConfig", "layout"
    }
    assert sorted(leaves(layout["layout"])) == sorted(layout["configById"])
    assert all(re.fullmatch(r"\w+!\w+", name) for name in layout["configById"])
    assert set(panels) == KINDS


def test_every_topic_is_published_by_the_nodes_or_is_an_input(panels):
    shown = set(panels["3D"]["topics"]) | {panels["RawMessages"]["topicPath"]}
    assert shown <= own_names()
    assert {"/mapper/instance_cloud", "/query/instance_markers", "/query/markers"} <= shown
    images = panels["Image"]["imageMode"].values()
    assert set(images) == {f"/{INPUTS[name]}" for name in ("color_topic", "camera_info_topic")}
    assert panels["DiagnosticSummary"]["topicToRender"] == "/diagnostics"
    cloud = panels["3D"]["topics"]["/mapper/instance_cloud"]
    assert cloud["colorField"] in {field.name for field in FIELDS}


def test_the_question_is_one_that_the_service_takes(panels):
    call = panels["CallService"]
    assert call["serviceName"] in own_names()
    assert QueryText.Request(**json.loads(call["requestPayload"])).text

"""A plug-in's settings are parameters of the nodes and lines of the generated YAML."""

from __future__ import annotations

import json

import pytest
import yaml
from helpers.toys import library_with_toys, run

DECLARED = """
import json, rclpy
from om3d_ros.mapper_node import MapperNode
from om3d_ros.query_node import QueryNode
rclpy.init()
found = {}
for kind in (MapperNode, QueryNode):
    node = kind()
    names = [n for n in node._parameters if n.partition(".")[0] in ("tint", "hues", "stack")]
    names += [n for n in ("proposals.method", "features.encoders") if node.has_parameter(n)]
    found[node.get_name()] = {
        n: [node.get_parameter(n).value, node.describe_parameter(n).additional_constraints,
            [r.to_value for r in node.describe_parameter(n).integer_range]] for n in names}
    node.destroy_node()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return library_with_toys(tmp_path_factory.mktemp("library"))


def test_the_nodes_declare_them(library):
    done = run(library, "-c", DECLARED)
    found = json.loads(done.stdout.splitlines()[-1])
    mapper, query = found["mapper"], found["query"]
    assert mapper["hues.margin"] == [60, "", [255]] and mapper["tint.red_gain"][0] == 1.0
    assert "one of hues, geometric" in mapper["proposals.method"][1]
    assert "one or several of tint, lite" in mapper["features.encoders"][1]
    assert query == {"tint.red_gain": [1.0, "", []]}


def test_the_generated_yaml_has_them(library):
    content = yaml.safe_load(run(library, "-m", "om3d_ros.default_config").stdout)
    mapper, query = (content[n]["ros__parameters"] for n in ("mapper", "query"))
    assert mapper["hues"] == {"margin": 60} and mapper["tint"] == {"red_gain": 1.0}
    assert query["tint"] == {"red_gain": 1.0} and "hues" not in query

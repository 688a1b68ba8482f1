"""Launch files and the RViz configuration fit the package."""

from __future__ import annotations

import ast
import importlib.util

import pytest
import yaml

ARGUMENTS = {
    "om3d.launch.py": {
        "namespace", "use_sim_time", "params_file", "autostart", "log_level", "rviz",
    },
    "replay.launch.py": {"bag", "rate"},
}


def tree_of(repository, name):
    return ast.parse((repository / "launch" / name).read_text())


def declared(tree):
    """Names in the tables ARGUMENTS and INPUTS, and those declared one by one."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            if node.targets[0].id in {"ARGUMENTS", "INPUTS"}:
                names |= {key.value for key in node.value.keys}
        elif called(node) == "DeclareLaunchArgument" and isinstance(node.args[0], ast.Constant):
            names.add(node.args[0].value)
    return names


def used(tree):
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if called(node) in {"argument", "LaunchConfiguration"}
        and isinstance(node.args[0], ast.Constant)
    }


def called(node):
    return getattr(node.func, "id", None) if isinstance(node, ast.Call) else None


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_declared_and_used(repository, name):
    tree = tree_of(repository, name)
    assert ARGUMENTS[name] <= declared(tree)
    assert used(tree) <= declared(tree)
    tables = {
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARGUMENTS"
        for key in node.value.keys
    }
    assert tables <= used(tree)


def test_inputs_are_topics_that_the_mapper_subscribes_to(repository):
    inputs = next(
        ast.literal_eval(node.value)
        for node in ast.walk(tree_of(repository, "om3d.launch.py"))
        if isinstance(node, ast.Assign) and node.targets[0].id == "INPUTS"
    )
    source = (repository / "om3d_ros" / "mapper_node.py").read_text()
    for topic, _ in inputs.values():
        assert f'"{topic}"' in source


@pytest.mark.parametrize("name", ARGUMENTS)
def test_named_files_and_executables_exist(repository, name):
    tree = tree_of(repository, name)
    for node in ast.walk(tree):
        if called(node) == "PathJoinSubstitution":
            parts = [e.value for e in node.args[0].elts if isinstance(e, ast.Constant)]
            assert repository.joinpath(*parts).is_file()
        for keyword in getattr(node, "keywords", ()):
            if keyword.arg == "executable" and keyword.value.value != "rviz2":
                assert (repository / "om3d_ros" / f"{keyword.value.value}.py").is_file()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_launch_files_can_be_loaded(repository, name):
    for package in ("launch", "launch_ros"):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            pytest.skip(f"needs {package} of an installed ROS 2")
    spec = importlib.util.spec_from_file_location("launch_file", repository / "launch" / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.generate_launch_description().entities


def test_rviz_shows_latched_topics_as_such(repository):
    config = yaml.safe_load((repository / "config" / "om3d.rviz").read_text())
    displays = config["Visualization Manager"]["Displays"]
    topics = {d["Topic"]["Value"]: d["Topic"] for d in displays if "Topic" in d}
    for name in ("mapper/instance_cloud", "query/markers"):
        assert topics[name]["Durability Policy"] == "Transient Local"
        assert topics[name]["Reliability Policy"] == "Reliable"
    assert {d["Class"] for d in displays} >= {
        "rviz_default_plugins/PointCloud2", "rviz_default_plugins/MarkerArray",
    }

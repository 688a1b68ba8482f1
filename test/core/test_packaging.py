"""The package's metadata, its interfaces and the rule that the core needs no ROS."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import om3d_core

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("msg", "srv", "action")
    for path in (ROOT / folder).iterdir()
)
CONSTANT_OR_FIELD = re.compile(r"^[\w/]+(\[\d*\])?\s+\w+")

IMPORT_CORE_WITHOUT_ROS = """
import importlib, pathlib, sys

BLOCKED = {
    "ament_index_python", "builtin_interfaces", "cv_bridge", "diagnostic_msgs", "geometry_msgs",
    "launch", "launch_ros", "lifecycle_msgs", "moveit_msgs", "nav_msgs", "om3d", "om3d_ros",
    "rcl_interfaces", "rclpy", "rosbag2_py", "rosgraph_msgs", "rosidl_runtime_py", "sensor_msgs",
    "sensor_msgs_py", "shape_msgs", "std_msgs", "std_srvs", "tf2_msgs",
    "tf2_ros", "vision_msgs", "visualization_msgs",
}

class RefuseRos:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"om3d_core must not import {name}")

sys.meta_path.insert(0, RefuseRos())
import om3d_core

NETWORKS = ("om3d_core.sparse", "om3d_core.proposals.mask3d", "om3d_core.training")
HEAVY = {"torch", "open3d", "onnxruntime", "sklearn", "rosbags", "transformers"}

root = pathlib.Path(om3d_core.__file__).parent
paths = (path.relative_to(root.parent).with_suffix("") for path in root.rglob("*.py"))
names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
names.sort(key=lambda name: name.startswith(NETWORKS))
for name in names:
    importlib.import_module(name)
    loaded = HEAVY & set(sys.modules)
    if loaded and not name.startswith(NETWORKS):
        sys.exit(f"importing {name} imports {sorted(loaded)}")
print(len(names))
"""


def requirements(name: str) -> list[Requirement]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def setup_metadata(*fields: str) -> list[str]:
    command = [sys.executable, "setup.py", "--quiet", *(f"--{field}" for field in fields)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_one_version_everywhere() -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    assert manifest.get("format") == "3"
    assert manifest.findtext("version") == om3d_core.__version__
    assert setup_metadata("name", "version") == ["om3d", om3d_core.__version__]
    assert om3d_core.__version__ in (ROOT / "CHANGELOG.rst").read_text()


def test_core_imports_neither_ros_nor_heavy_libraries() -> None:
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_CORE_WITHOUT_ROS], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    modules = list((ROOT / "om3d_core").rglob("*.py"))
    assert int(result.stdout) == len(modules)


@pytest.mark.parametrize("name", INTERFACES)
def test_every_interface_field_is_commented(name: str) -> None:
    previous = ""
    for line in (ROOT / name).read_text().splitlines():
        if CONSTANT_OR_FIELD.match(line):
            assert previous.startswith("# "), f"{name}: no comment above: {line}"
        previous = line


def test_cmake_builds_every_interface() -> None:
    listed = re.findall(r'"((?:msg|srv|action)/\w+\.\w+)"', (ROOT / "CMakeLists.txt").read_text())
    assert sorted(listed) == INTERFACES


def test_manifest_names_the_packages_of_the_interfaces() -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    named = {element.text for element in manifest.iter() if element.tag.endswith("depend")}
    used = {
        package
        for name in INTERFACES
        for package in re.findall(r"^(\w+)/\w", (ROOT / name).read_text(), re.MULTILINE)
    }
    assert used - {"om3d"} <= named


def test_manifest_names_every_ros_package_that_the_nodes_import() -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    named = {element.text for element in manifest.iter() if element.tag.endswith("depend")}
    imported = {
        module
        for folder in ("om3d_ros", "launch")
        for path in (ROOT / folder).rglob("*.py")
        for module in re.findall(
            r"^\s*(?:from|import) (\w+(?:_msgs|_interfaces|_ros)|rclpy|launch)\b",
            path.read_text(),
            re.MULTILINE,
        )
    }
    assert imported - {"om3d_ros"} <= named


def test_every_library_that_the_core_imports_is_a_requirement() -> None:
    libraries = {
        name.split(".")[0]
        for path in (ROOT / "om3d_core").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        )
    } - set(sys.stdlib_module_names)
    distributions = packages_distributions()
    required = {
        canonical(requirement.name)
        for extra in ("core", "models", "detectors", "sam", "view", "ray")
        for requirement in requirements(extra)
    }
    for library in libraries - {"om3d_core", "om3d_ros"}:
        assert required & set(map(canonical, distributions.get(library, [library]))), library


def test_every_data_file_of_the_core_is_packaged() -> None:
    suffixes = re.search(r"DATA_SUFFIXES = \((.*)\)", (ROOT / "setup.py").read_text())
    assert suffixes is not None
    packaged = {f".{suffix}" for suffix in re.findall(r"\w+", suffixes.group(1))}
    tracked = subprocess.run(
        ["git", "ls-files", "om3d_core", "config"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    assert tracked
    found = {Path(name).suffix for name in tracked if not name.endswith("py.typed")}
    assert found <= packaged | {".py"}


def test_every_requirement_is_pinned_within_its_range() -> None:
    pins = {canonical(pin.name): pin for pin in requirements("versions")}
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for requirement in requirements(path.stem):
            if requirement.marker is not None and not requirement.marker.evaluate():
                continue
            pin = pins[canonical(requirement.name)]
            (exact,) = pin.specifier
            assert exact.operator == "=="
            assert exact.version in requirement.specifier, f"{path.name}: {requirement}, {pin}"


def test_the_versions_of_python_are_told_alike() -> None:
    check = runpy.run_path(str(ROOT / "scripts" / "check_system.py"))
    oldest, newest = check["OLDEST_PYTHON"][1], check["NEWEST_PYTHON_WITH_WHEELS"][1]
    minors = list(range(oldest, newest + 1))
    setup = (ROOT / "setup.py").read_text()
    assert f'python_requires=">=3.{oldest}"' in setup
    assert f"for minor in ({', '.join(map(str, minors))})" in setup
    *first, last = (f"3.{minor}" for minor in minors)
    listed = f"{', '.join(first)} {{}} {last}"
    assert f"with Python {listed.format('or')}," in (ROOT / "README.md").read_text()
    pins = (ROOT / "requirements" / "versions.txt").read_text()
    assert f"CPython {listed.format('and')}" in pins
    assert f"version 3.{oldest} to 3.{newest}" in (ROOT / "Makefile").read_text()
    candidates = [f"python3.{minor}" for minor in reversed(minors)]
    assert f"in python3 {' '.join(candidates)}; do" in (ROOT / "scripts/setup.sh").read_text()


@pytest.mark.parametrize(
    ("version", "with_ros", "usable"),
    [((3, 10, 9), False, False), ((3, 10, 9), True, False), ((3, 11, 0), False, True),
     ((3, 13, 0), False, True), ((3, 14, 0), False, False), ((3, 14, 0), True, True)],
)  # fmt: skip
def test_set_up_takes_the_versions_that_there_are_wheels_for(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], with_ros: bool, usable: bool
) -> None:
    check = runpy.run_path(str(ROOT / "scripts" / "check_system.py"))
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    reason = check["unusable"](with_ros)
    assert (reason == "") == usable
    assert usable or ("expected Python 3.11 to 3.13, got" in reason and "make PYTHON=" in reason)


def test_ci_runs_make_test_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    lines = [line for line in script.read_text().splitlines() if line and line[0] != "#"]
    assert script.stat().st_mode & 0o111
    assert lines[-1] == "exec make test"
    assert all(line.startswith(("set ", "cd ")) for line in lines[:-1])


def test_entry_points_of_the_nodes_exist() -> None:
    text = (ROOT / "om3d_ros" / "setup.cfg").read_text()
    targets = re.findall(r"^\s+(\w+) = ([\w.]+):(\w+)$", text, re.MULTILINE)
    assert {name for name, _, _ in targets} == {"mapper_node", "query_node", "om3d"}
    for _, module, function in targets:
        source = (ROOT / (module.replace(".", "/") + ".py")).read_text()
        assert re.search(rf"^def {function}\(", source, re.MULTILINE), module

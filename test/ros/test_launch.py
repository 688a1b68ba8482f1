"""The launch files, started, and the RViz configuration."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from geometry_msgs.msg import PoseStamped
from helpers.robot import Talker
from helpers.worlds import Recording, tabletop
from om3d.msg import MapperStatus
from om3d.srv import QueryText
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python

from om3d_core.errors import SettingsError
from om3d_core.sources.bag.writer import write_bag
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.poses import from_matrix, to_transforms
from om3d_ros.conversions.stamps import header
from om3d_ros.node import qos
from om3d_ros.replay.client import Client
from om3d_ros.sensor_preset import read_sensor, remaps, sensor_names

START_S, END_S = 150.0, 40.0
NODES = ("mapper", "query")
ARGUMENTS = {
    "om3d.launch.py": {
        "namespace", "mapper", "maps", "sensor", "cameras", "use_sim_time", "params_file",
        "autostart", "use_respawn", "log_level", "grid_topic", "rviz", "rviz_config", "map_frame",
        "pose_source", "image_transport", "input_reliability", "input_durability", "input_depth",
        "color_topic", "depth_topic", "camera_info_topic", "depth_info_topic", "cloud_topic",
        "odometry_topic", "pose_topic",
    },
    "replay.launch.py": {
        "bag", "rate", "out", "save", "shutdown_at_end", "params_file", "log_level", "rviz",
        "map_frame", "pose_source",
    },
}
PARAMETERS = """
mapper:
  ros__parameters:
    map_root: "{root}"
    fusion: {{voxel_m: 0.03}}
    queue: {{capacity: 17}}
query:
  ros__parameters:
    top_k: 3
"""
OWN_SLOP = "mapper:\n  ros__parameters:\n    sync: {slop_s: 0.03}"


@pytest.fixture
def launch_installed():
    """Needed by the tests that start launch files."""
    for package in ("launch", "launch_ros"):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            pytest.skip(f"needs {package} of an installed ROS 2 to start launch files")


@pytest.fixture
def parameters(tmp_path):
    path = tmp_path / "parameters.yaml"
    path.write_text(PARAMETERS.format(root=tmp_path / "maps"))
    return path


class Launched:
    """A launch file under way; its output goes to ``log``."""

    def __init__(self, file, log, **arguments):
        self.log = log
        given = [f"{name}:={value}" for name, value in arguments.items()]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "helpers.launched", str(file), *given],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True, cwd=log.parent, preexec_fn=heed_interrupts,
            )

    def check(self):
        code = self._process.poll()
        assert code is None, f"the launch ended with status {code}: {self.text[-3000:]}"

    @property
    def text(self):
        return self.log.read_text(errors="replace")

    def processes(self, program):
        """Ids of the running processes of a program below this launch."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                group = os.getpgid(int(entry.name))
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                if group == self._process.pid and program in command:
                    found.append(int(entry.name))
        return found

    def wait_for_end(self, timeout_s=END_S):
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the launch did not end: {self.text[-3000:]}")

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)
        self.wait_for_end()
        assert not self.processes(""), "the launch left processes behind"
        return self.text

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def heed_interrupts():
    """Undo what a job in the background inherits from its shell: launch keeps it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def launched(repository, name, log, **arguments):
    made = Launched(repository / "launch" / name, log, **arguments)
    try:
        yield made
    finally:
        made.kill()


def wait_until_active(robot, space=""):
    """Wait until both nodes are active."""
    for name in NODES:
        end = time.monotonic() + START_S
        while not robot.client_of_soon(f"{space}{name}") or (
            robot.state(f"{space}{name}") != "active"
        ):
            assert time.monotonic() < end
            robot.client.spin(0.1)


class Watcher(Talker):
    """Who asks nodes that may not be there yet."""

    def client_of_soon(self, node):
        names = self.client.node.get_node_names_and_namespaces()
        return f"/{node}" in {f"{space.rstrip('/')}/{name}" for name, space in names}

    def publish(self, messages):
        """Publish messages by their topics, once somebody listens to each."""
        publishers = {
            topic: self.client.node.create_publisher(type(message), topic, qos.results())
            for topic, message in messages.items()
        }
        self.wait(
            lambda: all(p.get_subscription_count() for p in publishers.values()), "the mapper"
        )
        for topic, message in messages.items():
            publishers[topic].publish(message)


def millimeters(frame, at):
    return from_pixels(np.rint(1000 * frame.depth).astype(np.uint16), "16UC1", at)


def values(robot, node, *names):
    found = robot.call(GetParameters, f"{node}/get_parameters", names=list(names)).values
    return list(map(parameter_value_to_python, found))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_declared(repository, name):
    """Also where launch is not installed."""
    tree = ast.parse((repository / "launch" / name).read_text())
    tables = {
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        and node.targets[0].id in {"ARGUMENTS", "OVERRIDES", "INPUTS", "PASSED_ON"}
        for key in node.value.keys
    }
    alone = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DeclareLaunchArgument"
        and isinstance(node.args[0], ast.Constant)
    }
    assert tables | alone == ARGUMENTS[name]


@pytest.fixture
def described(repository, launch_installed, monkeypatch):
    """What the nodes are started with: keyword arguments of launch_ros' Node, by executable."""
    from launch import LaunchContext
    from launch.actions import LogInfo

    module = runpy.run_path(str(repository / "launch" / "om3d.launch.py"))
    nodes = module["_nodes"]

    def describe(**given):
        started = {}
        monkeypatch.setitem(nodes.__globals__, "Node", lambda **node: (
            started.update({node["executable"]: node}) or LogInfo(msg="")
        ))
        context = LaunchContext()
        for argument in module["generate_launch_description"]().get_launch_arguments():
            argument.visit(context)
        context.launch_configurations.update(given)
        nodes(context)
        return started

    describe.launch = nodes.__globals__
    return describe


@pytest.mark.parametrize("name", sensor_names())
def test_a_sensor_gives_topics_and_parameters_over_which_ones_own_win(
    described, name, tmp_path, repository
):
    sensor = read_sensor(name)
    mapper = described(sensor=name, color_topic="/mine", pose_source="odometry")["mapper_node"]
    assert dict(mapper["remappings"]) == {
        "/tf": "tf", "/tf_static": "tf_static",
        **{r.name: r.topic for r in remaps(sensor, {"color_topic": "/mine"})},
    }
    shipped, preset, arguments = mapper["parameters"]
    assert arguments["pose.source"] == "odometry"
    assert yaml.safe_load(Path(preset).read_text()) == {
        "/**/mapper": {"ros__parameters": sensor.parameters_for(())}
    }
    assert "map_frame" in Path(shipped).read_text()

    own = tmp_path / "own.yaml"
    own.write_text("mapper: {ros__parameters: {pose: {source: pose}}}")
    mapper = described(sensor=name, params_file=str(own))["mapper_node"]
    preset, file, arguments = mapper["parameters"]
    assert "pose" not in str(arguments) and "/**/mapper" in Path(preset).read_text()
    assert "/**/mapper: {ros__parameters: {pose" in Path(file).read_text()


def test_a_query_node_alone_searches_the_maps_of_several_mappers(described):
    (node,) = described(mapper="false", maps="robot1/mapper,robot2/mapper").values()
    assert node["executable"] == "query_node"
    assert node["parameters"][-1]["maps"] == "robot1/mapper,robot2/mapper"
    both = described()
    assert set(both) == {"mapper_node", "query_node"}
    assert "maps" not in both["query_node"]["parameters"][-1]


def test_an_unknown_sensor_starts_nothing(described):
    with pytest.raises(SettingsError, match="sensor: expected one of .*realsense.* got 'kinect'"):
        described(sensor="kinect")
    with pytest.raises(SettingsError, match="cameras: expected names of topics, got 'a b'"):
        described(cameras="front,a b")


def test_a_realsense_is_mapped_from_the_topics_of_its_driver(
    repository, parameters, tmp_path, ros_domain_id, launch_installed
):
    """Its depth is 16UC1; the camera stands still, known by /tf_static."""
    (frame,) = tabletop(1)
    own = parameters.read_text().replace("mapper:\n  ros__parameters:", OWN_SLOP)
    parameters.write_text(own)
    with (
        launched(
            repository, "om3d.launch.py", tmp_path / "log", sensor="realsense",
            params_file=parameters,
        ) as started,
        Client(ros_domain_id, started.check) as client,
    ):
        robot = Watcher(client)
        wait_until_active(robot)
        assert values(robot, "mapper", "lens.images", "sync.slop_s", "queue.capacity") == [
            "raw", 0.03, 17
        ]
        camera, driver = "camera_color_optical_frame", "/camera/camera"
        at = header(camera, client.node.get_clock().now().nanoseconds)
        robot.publishers["tf_static"].publish(
            to_transforms("map", camera, 0, frame.map_from_camera)
        )
        robot.wait(
            lambda: robot.publishers["tf_static"].get_subscription_count(), "the mapper's tf"
        )
        robot.publish({
            f"{driver}/color/image_raw": from_pixels(frame.rgb, "rgb8", at),
            f"{driver}/aligned_depth_to_color/image_raw": millimeters(frame, at),
            f"{driver}/color/camera_info": from_intrinsics(frame.intrinsics, at),
        })
        robot.wait(lambda: client.status.frames_processed == 1, "the frame")
        assert client.status.inputs_rejected == 0
        assert "Traceback" not in started.interrupt()


def test_two_cameras_in_a_namespace_with_overrides(
    repository, parameters, tmp_path, ros_domain_id, launch_installed
):
    arguments = {
        "namespace": "robot", "params_file": parameters, "map_frame": "world",
        "pose_source": "pose", "input_reliability": "reliable", "input_depth": 9,
        "cameras": "front,rear", "color_topic": "/camera/{camera}/color", "use_respawn": "true",
    }
    if not rviz_installed():
        arguments["rviz"] = "true"
    with (
        launched(repository, "om3d.launch.py", tmp_path / "log", **arguments) as started,
        Client(ros_domain_id, started.check) as client,
    ):
        robot = Watcher(client)
        wait_until_active(robot, "robot/")
        assert values(robot, "robot/mapper", "map_frame", "pose.source", "queue.capacity") == [
            "world", "pose", 17
        ]
        assert values(robot, "robot/query", "map_frame", "top_k") == ["world", 3]
        overrides = [
            "qos_overrides./camera/front/color.subscription.reliability",
            "qos_overrides./robot/rear/depth/image_raw.subscription.depth",
            "qos_overrides./robot/pose.subscription.reliability",
        ]
        assert values(robot, "robot/mapper", *overrides) == ["reliable", 9, "reliable"]
        told = []
        client.node.create_subscription(
            MapperStatus, "/robot/mapper/status", told.append, qos.latched()
        )
        now_ns = client.node.get_clock().now().nanoseconds
        for name, frame in zip(("front", "rear"), tabletop(2), strict=True):
            at = header(name, now_ns + frame.stamp_ns)
            pose = PoseStamped(header=header("world", now_ns + frame.stamp_ns))
            pose.pose = from_matrix(frame.map_from_camera)
            robot.publish({
                "/robot/pose": pose,
                f"/camera/{name}/color": from_pixels(frame.rgb, "rgb8", at),
                f"/robot/{name}/depth/image_raw": millimeters(frame, at),
                f"/robot/{name}/color/camera_info": from_intrinsics(frame.intrinsics, at),
            })
        robot.wait(lambda: told and told[-1].frames_processed == 2, "a frame of each camera")
        if "rviz" in arguments:
            assert "rviz2 is not installed" in started.text

        (first,) = started.processes("mapper_node")
        os.kill(first, signal.SIGKILL)
        robot.wait(lambda: first not in started.processes("mapper_node"), "the mapper's end")
        end = time.monotonic() + START_S
        while started.text.count("active") < 3:
            assert time.monotonic() < end
            client.spin(0.1)
        assert "Traceback" not in started.interrupt()


def rviz_installed():
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return False
    return True


def test_a_replay_waits_for_the_nodes_refreshes_saves_and_leaves_them(
    repository, parameters, tmp_path, ros_domain_id, launch_installed
):
    frames = tabletop(12, 160, 120)
    write_bag(Recording(frames), tmp_path / "world.mcap")
    arguments = {
        "bag": tmp_path / "world.mcap", "rate": 2.0, "save": "played", "rviz": "false",
        "params_file": parameters, "out": tmp_path / "out",
    }
    with (
        launched(repository, "replay.launch.py", tmp_path / "log", **arguments) as started,
        Client(ros_domain_id, started.check) as client,
    ):
        end = time.monotonic() + START_S
        while "the nodes go on with the map" not in started.text:
            assert time.monotonic() < end, started.text[-3000:]
            started.check()
            client.spin(0.1)
        status = json.loads((tmp_path / "out" / "answers.json").read_text())["mapper"]
        assert status["frames_processed"] == len(frames)
        assert (tmp_path / "maps" / "played" / "map.json").is_file()
        answer = Watcher(client).call(QueryText, "query/query_text", text="a red box")
        assert answer.error_code == 0 and answer.matches
        assert "Traceback" not in started.interrupt()


def test_a_replay_that_fails_ends_the_nodes_if_it_was_to(
    repository, parameters, tmp_path, ros_domain_id, launch_installed
):
    arguments = {
        "bag": tmp_path / "nothing.mcap", "shutdown_at_end": "true", "rviz": "false",
        "params_file": parameters,
    }
    with launched(repository, "replay.launch.py", tmp_path / "log", **arguments) as started:
        started.wait_for_end(START_S)
        assert "nothing.mcap" in started.text and not started.processes("")


def test_rviz_follows_namespace_sensor_frame_and_transport(described, monkeypatch):
    monkeypatch.setitem(described.launch, "get_package_prefix", lambda name: f"/{name}")
    rviz = described(
        namespace="robot", sensor="realsense", map_frame="world", rviz="true",
        image_transport="compressed",
    )["rviz2"]
    assert rviz["namespace"] == "robot"
    assert dict(rviz["remappings"]) == {"/tf": "tf", "/tf_static": "tf_static"}
    config = yaml.safe_load(Path(rviz["arguments"][1]).read_text())
    manager = config["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "world"
    topics = {d["Name"]: d["Topic"]["Value"] for d in manager["Displays"] if "Topic" in d}
    assert topics == {
        "Map": "/robot/mapper/instance_cloud", "Instances": "/robot/mapper/instance_cloud",
        "Names": "/robot/query/instance_markers", "Answer": "/robot/query/markers",
        "Camera": "/robot/camera/camera/color/image_raw/compressed",
    }


def test_a_configuration_of_ones_own_is_taken_as_it_is(described, monkeypatch, tmp_path):
    monkeypatch.setitem(described.launch, "get_package_prefix", lambda name: f"/{name}")
    own = str(tmp_path / "own.rviz")
    rviz = described(rviz="true", rviz_config=own, map_frame="world")["rviz2"]
    assert rviz["arguments"] == ["-d", own]

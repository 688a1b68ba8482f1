"""A node as a program: what it is given, how it starts and how it ends."""

from __future__ import annotations

import signal
import time

import pytest

from om3d_ros.mapper_node import MapperNode
from om3d_ros.node import process
from om3d_ros.query_node import QueryNode
from om3d_ros.replay.processes import NodeProcess, Processes

START_S = 90.0
NOISE = ("Traceback", "Open3D", "Failed", "context is invalid")
CRAB = "\U0001f980"
BAD_FILES = {
    "no_yaml": "mapper: [\n",
    "open_brace": "mapper:\n  ros__parameters:\n    queue: {\n",
    "mixed_list": "/**:\n  ros__parameters:\n    queue: {capacity: [lite, 3]}\n",
    "wrong_type": "/**:\n  ros__parameters:\n    queue: {capacity: many}\n",
}
BAD_ARGUMENTS = (
    "-p queue.capacity", "-p queue.capacity:=", "-p queue.capacity:={}", "-p queue.capacity:=0",
    "-p queue.capacity:=many", "-p :=3", "-p refresh.period_s:=nan", "-p refresh.period_s:=0.01",
    "-p features.encoders:=nope", "-p pose.source:=gps", "-p use_sim_time:=3", "-r nonsense",
    "-r __node:=9bad", "--params-file nothing.yaml", "--log-level nonsense", "--unknown",
)


@pytest.fixture
def signals():
    """What a run does to signals is undone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def refused(arguments, capfd):
    """What a node says that is started with arguments that it does not take."""
    assert process.run(MapperNode, ["--ros-args", *arguments]) == process.EXIT_ERROR
    out, err = capfd.readouterr()
    assert not out and len(err.splitlines()) == 1 and err.startswith("om3d: error: "), err
    assert "/src/" not in err
    return err


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS)
def test_bad_arguments_are_told_in_one_line(arguments, signals, capfd, ros_domain_id):
    err = refused(arguments.split(), capfd)
    value = arguments.split()[-1].partition(":=")
    assert value[0] in err or value[2] in err


@pytest.mark.parametrize("shift", range(4))
def test_bad_arguments_that_are_too_long_to_be_told_are_refused(
    shift, signals, capfd, ros_domain_id
):
    arguments = ["--ros-args", "-r", f"instances:={'a' * shift}{CRAB * 1000}"]
    assert process.run(MapperNode, arguments) == process.EXIT_ERROR
    assert capfd.readouterr().err.splitlines()[-1].startswith("om3d: error: arguments: ")


@pytest.mark.parametrize("rule", ["__node:", "instances:"])
def test_names_that_are_too_long_are_refused(rule, signals, capfd, ros_domain_id):
    for node in (MapperNode, QueryNode):
        arguments = ["--ros-args", "-r", f"{rule}={'a' * 300}"]
        if node is QueryNode or rule == "__node:":
            assert process.run(node, arguments) == process.EXIT_ERROR
            out, err = capfd.readouterr()
            assert err.splitlines()[-1].startswith("om3d: error: arguments: ")
            assert "unconfigured" not in out + err, "it is not there to be configured"


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_parameter_file_is_told_in_one_line(
    name, tmp_path, signals, capfd, ros_domain_id
):
    path = tmp_path / f"{name}.yaml"
    path.write_text(BAD_FILES[name])
    err = refused(["--params-file", str(path)], capfd)
    assert str(path) in err or "queue.capacity" in err


@pytest.mark.parametrize("overrides", [
    {"qos_overrides./mapper/instances.publisher.reliability": "nonsense"},
    {"qos_overrides./color/image_raw.subscription.depth": -3},
    {"proposals.method": "precomputed", "proposals.path": "/no/such/masks.npz"},
])
def test_an_autostart_that_fails_ends_the_process_with_a_code(
    overrides, tmp_path, ros_domain_id
):
    log = tmp_path / "mapper.log"
    with Processes() as nodes:
        node = nodes.add(NodeProcess(
            "om3d_ros.mapper_node", log, ros_domain_id, {"autostart": True, **overrides}
        ))
        assert node.wait(START_S) == process.EXIT_ERROR
    text = log.read_text()
    assert "Traceback" not in text
    told = [line for line in text.splitlines() if "[ERROR]" in line]
    assert len(told) == 1 and "cannot " in told[0]
    assert "autostart failed" in text.splitlines()[-1]


@pytest.mark.parametrize(("number", "delays_s"), [
    (signal.SIGINT, (0.0, 0.6, 1.5)), (signal.SIGTERM, (0.3,)),
])
def test_an_interrupt_while_configuring_ends_in_peace(
    number, delays_s, tmp_path, ros_domain_id
):
    with Processes() as nodes:
        for delay_s in delays_s:
            log = tmp_path / f"{delay_s}.log"
            node = nodes.add(NodeProcess(
                "om3d_ros.mapper_node", log, ros_domain_id, {"autostart": True}
            ))
            deadline = time.monotonic() + START_S
            while "configuring" not in log.read_text():
                assert time.monotonic() < deadline
                node.check()
                time.sleep(0.02)
            time.sleep(delay_s)
            node.send_signal(number)
            assert node.wait(process.END_S + 10.0) == 0
            text = log.read_text()
            assert not any(word in text for word in NOISE), text

"""Many clients ask at once while the map is refreshed: all are answered, and rightly."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from helpers.robot import Robot
from helpers.worlds import BOXES, tabletop
from om3d.action import Refresh
from om3d.msg import Error
from om3d.srv import QueryText
from rclpy.action import ActionClient
from rclpy.qos import qos_profile_services_default

from om3d_ros.node import qos
from om3d_ros.replay.processes import environment

# Processes, clients of each, and questions of each client.
CROWD = (10, 5, 16)
START_S, END_S = 120.0, 180.0
FIRST, ALL = 8, 64
INSIDE_S = 0.003
TEXTS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def robot(tmp_path_factory, ros_domain_id):
    with Robot(tmp_path_factory.mktemp("questions"), ros_domain_id) as robot:
        frames = tabletop(ALL, 320, 240)
        robot.wait_until_ready().stream(frames[:FIRST])
        robot.refresh()
        robot.later = [frames[FIRST::2], frames[FIRST + 1 :: 2]]
        yield robot


def ask(robot, domain, folder, crowd, depth, meanwhile=lambda: None):
    """The answers that clients in processes of their own got; ``crowd`` as in :data:`CROWD`."""
    processes, clients, questions = crowd
    folder.mkdir()
    outs = [folder / f"{i}.json" for i in range(processes)]
    asking = [
        subprocess.Popen(
            [sys.executable, "-m", "helpers.asker", str(out), "--clients", str(clients),
             "--questions", str(questions), "--texts", ",".join(TEXTS), "--depth", str(depth)],
            env=environment(domain),
        )
        for out in outs
    ]
    ready = [out.with_suffix(".ready") for out in outs]

    def all_ready():
        assert not any(process.poll() for process in asking), "expected the clients to start"
        return all(mark.exists() for mark in ready)

    robot.client.spin_until(all_ready, START_S, "the clients")
    for out in outs:
        out.with_suffix(".go").touch()
    end = time.monotonic() + END_S
    while any(process.poll() is None for process in asking):
        assert time.monotonic() < end, "expected the clients to end"
        meanwhile()
        robot.client.spin()
    return [answer for out in outs for answer in json.loads(out.read_text())]


def check(answers, revisions):
    """What came is no error, names the thing that was asked for in a map that existed, and kept
    the node from other questions for a moment only."""
    assert [a["error"] for a in answers if a["error"]] == []
    assert {a["revision"] for a in answers} <= revisions
    assert statistics.median(a["inside_s"] for a in answers) < INSIDE_S
    for answer in answers:
        assert answer["id"] == [list(BOXES).index(answer["text"]) + 1]


def answered(robot):
    """How many questions the node says that it answered."""
    found = []

    def take(message):
        found.extend(s for s in message.status if s.name == "/query")

    node = robot.client.node
    subscription = node.create_subscription(DiagnosticArray, "/diagnostics", take, qos.results())
    robot.wait(lambda: found, "diagnostics of the query node")
    node.destroy_subscription(subscription)
    return int({v.key: v.value for v in found[-1].values}["queries answered"])


def among_refreshes(robot, domain, folder, depth):
    """The answers to the crowd while frames come and the map is refreshed again and again, and
    its revisions."""
    refreshes = ActionClient(robot.client.node, Refresh, "mapper/refresh")
    robot.wait(refreshes.server_is_ready, "the action server")
    first, goals, frames = robot.client.refresh().revision, [], iter(robot.later.pop())

    def refresh_on():
        if not goals or (goals[-1].done() and robot.client.status.queue_depth == 0):
            if (frame := next(frames, None)) is not None:
                robot.send(frame)
            goals.append(refreshes.send_goal_async(Refresh.Goal(force=True)))

    answers = ask(robot, domain, folder, CROWD, depth, refresh_on)
    robot.wait(lambda: all(goal.done() for goal in goals), "the refreshes to be accepted")
    refreshes.destroy()
    robot.wait(
        lambda: not (robot.client.status.busy or robot.client.status.queue_depth), "the mapper"
    )
    last = robot.client.refresh().revision
    assert last > first, "no new map of what came meanwhile"
    assert len(answers) == math.prod(CROWD)
    return answers, set(range(first, last + 1))


def test_a_sentence_is_read_in_parts_and_its_answer_says_how(robot):
    told = robot.text("the red box next to the blue one in the kitchen")
    assert told.question == "red box [near blue anything]"
    assert list(told.not_understood) == ["in the kitchen"]
    best = told.matches[0]
    assert best.id == list(BOXES).index("red") + 1
    assert best.checks[1] == "red" and best.check_fits[1] > 0.9 and best.explanation
    unknown = robot.text("the red bxo")
    assert (unknown.verdict, unknown.present) == (QueryText.Response.NOT_UNDERSTOOD, False)
    assert list(unknown.not_understood) == ["bxo (box?)"]
    assert robot.text("how many red things").n_matching == 1


def test_a_viewpoint_says_whose_left_is_meant(robot):
    viewpoint = PoseStamped()
    viewpoint.header.frame_id = "map"
    first = {}
    for side in (-5.0, 5.0):
        viewpoint.pose.position.y = side
        answer = robot.text("leftmost thing", viewpoint=viewpoint)
        first[side] = answer.matches[0].id
    assert first[-5.0] != first[5.0]
    viewpoint.header.frame_id = "elsewhere"
    refused = robot.text("leftmost thing", viewpoint=viewpoint)
    assert refused.error_code == Error.INVALID_ARGUMENT
    assert "viewpoint in the frame map" in refused.error_msg


def test_none_of_fifty_clients_at_once_is_lost(robot, ros_domain_id, tmp_path):
    crowd, revisions = among_refreshes(
        robot, ros_domain_id, tmp_path / "crowd", qos.REQUEST_DEPTH
    )
    assert [answer for answer in crowd if answer["latency_s"] is None] == []
    check(crowd, revisions)


@pytest.mark.slow
def test_every_question_of_clients_as_they_come_is_answered(robot, ros_domain_id, tmp_path):
    """A client with the default history may overwrite its answer with those to others."""
    before = answered(robot)
    crowd, revisions = among_refreshes(
        robot, ros_domain_id, tmp_path / "crowd", qos_profile_services_default.depth
    )
    assert answered(robot) - before == math.prod(CROWD)
    got = [answer for answer in crowd if answer["latency_s"] is not None]
    check(got, revisions)
    assert len(got) >= 0.8 * math.prod(CROWD)

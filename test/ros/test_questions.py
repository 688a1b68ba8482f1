"""Many clients ask at once while the map is refreshed: all are answered, rightly and in time."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.robot import Robot
from helpers.worlds import BOXES, tabletop
from om3d.action import Refresh
from rclpy.action import ActionClient

from om3d_ros.replay.processes import environment

PROCESSES, CLIENTS, QUESTIONS, IDLE_QUESTIONS = 10, 5, 4, 100
SLOWDOWN = 10.0
TEXTS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def robot(tmp_path_factory, ros_domain_id):
    with Robot(tmp_path_factory.mktemp("questions"), ros_domain_id) as robot:
        robot.wait_until_ready().stream(tabletop(8, 320, 240))
        robot.refresh()
        yield robot


def ask(robot, domain, folder, processes, clients, questions, meanwhile=lambda: None):
    """The answers that clients in processes of their own got."""
    outs = [folder / f"{i}.json" for i in range(processes)]
    asking = [
        subprocess.Popen(
            [sys.executable, "-m", "helpers.asker", str(out), "--clients", str(clients),
             "--questions", str(questions), "--texts", ",".join(TEXTS)],
            env=environment(domain),
        )
        for out in outs
    ]
    robot.wait(lambda: all(out.with_suffix(".ready").exists() for out in outs), "the clients")
    for out in outs:
        out.with_suffix(".go").touch()
    end = time.monotonic() + 120
    while any(process.poll() is None for process in asking):
        assert time.monotonic() < end, "expected the clients to end"
        meanwhile()
        robot.client.spin()
    return [answer for out in outs for answer in json.loads(out.read_text())]


def latencies(answers):
    return np.array([answer["latency_s"] for answer in answers])


def check(answers, revisions):
    """All came, without an error, and name the thing that was asked for."""
    assert [a for a in answers if a["latency_s"] is None] == []
    assert [a["error"] for a in answers if a["error"]] == []
    assert {a["revision"] for a in answers} <= revisions
    for answer in answers:
        assert answer["id"] == [list(BOXES).index(answer["text"]) + 1]


def test_fifty_clients_at_once_during_refreshes(robot, ros_domain_id, tmp_path):
    for name in ("idle", "crowd"):
        (tmp_path / name).mkdir()
    idle = ask(robot, ros_domain_id, tmp_path / "idle", 1, 1, IDLE_QUESTIONS)
    first = robot.client.status.revision
    check(idle, {first})
    refreshes = ActionClient(robot.client.node, Refresh, "mapper/refresh")
    robot.wait(refreshes.server_is_ready, "the action server")
    goals = []

    def refresh_on():
        if not goals or (goals[-1].done() and robot.client.status.queue_depth == 0):
            goals.append(refreshes.send_goal_async(Refresh.Goal(force=True)))

    crowd = ask(
        robot, ros_domain_id, tmp_path / "crowd", PROCESSES, CLIENTS, QUESTIONS, refresh_on
    )
    refreshes.destroy()
    last = robot.client.status.revision
    assert last > first
    check(crowd, set(range(first, last + 1)))
    assert len(crowd) == PROCESSES * CLIENTS * QUESTIONS
    slowest, usual = (np.percentile(latencies(a), 99) for a in (crowd, idle))
    assert slowest <= SLOWDOWN * usual, f"p99 {slowest:.3f} s in the crowd, {usual:.3f} s alone"

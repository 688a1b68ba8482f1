"""Whose map an answer is about, as mappers die, start again and meet: real processes over DDS."""

from __future__ import annotations

import itertools
import time

import pytest
from helpers.diagnostics import Diagnostics
from helpers.robot import MAPPER, Robot, code_name
from helpers.worlds import tabletop

from om3d_ros.replay.processes import NodeProcess

FRAMES = 8
WATCHED_S = 2.0
MINUTE_NS = 60_000_000_000
SECOND_MAPPER = {
    "__node": "second", "~/instances": "/mapper/instances", "~/updates": "/mapper/updates",
}


@pytest.fixture(scope="module")
def frames():
    return tabletop(FRAMES, 320, 240)


@pytest.fixture(scope="module")
def robot(tmp_path_factory, ros_domain_id):
    with Robot(tmp_path_factory.mktemp("staleness"), ros_domain_id) as robot:
        robot.shifts_ns = itertools.count(0, MINUTE_NS)
        robot.health = Diagnostics(robot.client)
        robot.wait_until_ready()
        yield robot


@pytest.fixture
def mapped(robot, frames):
    """The robot, with a map of the mapper that runs."""
    see(robot, frames)
    robot.refresh()
    return robot


def see(robot, frames):
    """Stream frames, each time at later stamps."""
    robot.stream(frames, shift_ns=next(robot.shifts_ns))


def mappers(robot):
    """How many mappers the query node hears."""
    status = robot.health.status.get("/query")
    values = {v.key: v.value for v in status.values} if status else {}
    return int(values.get("mappers", 0))


def lose(robot, node):
    """Kill a mapper and wait until it is missed."""
    robot.processes.nodes.remove(node)
    node.kill()
    stale = "the map to be called stale, 20 s after DDS heard of it last"
    robot.client.spin_until(lambda: robot.text("red").stale, 90, stale)


def assert_fresh(response, map_id):
    assert code_name(response.error_code) == "NONE" and not response.stale
    assert response.map_id == map_id


def test_the_map_of_a_dead_mapper_stays_stale_until_its_successor_publishes(mapped, frames):
    mapped.clear()
    see(mapped, frames)
    first, _ = mapped.refresh()
    assert first.revision >= 2
    assert_fresh(mapped.text("red"), first.map_id)
    lose(mapped, mapped.mapper)
    mapped.client.status = None
    mapped.start_mapper()
    mapped.wait_until_ready()
    mapped.wait(lambda: mappers(mapped) == 1, "the successor to be heard")
    end = time.monotonic() + WATCHED_S
    while time.monotonic() < end:
        response = mapped.text("red")
        assert response.stale and response.map_id == first.map_id
        assert response.revision == first.revision and response.matches
    assert "stale" in mapped.health.status["/query"].message
    see(mapped, frames)
    second, _ = mapped.refresh()
    assert second.revision < first.revision and second.map_id != first.map_id
    assert_fresh(mapped.text("red"), second.map_id)


def test_of_two_mappers_the_last_map_counts_and_a_loss_brings_back_the_other(
    mapped, frames, ros_domain_id
):
    ours = mapped.client.status.map_id
    parameters = {
        **MAPPER, "refresh.period_s": 0.5, "proposals.method": "geometric",
        "map_root": str(mapped.folder / "other"),
    }
    other = mapped.processes.add(NodeProcess(
        "helpers.doubled_mapper", mapped.folder / "second.log", ros_domain_id, parameters,
        SECOND_MAPPER,
    ))
    mapped.wait(lambda: mappers(mapped) == 2, "the second mapper")

    def answered_about_theirs():
        see(mapped, frames[:1])
        return mapped.text("red").map_id != ours

    mapped.wait(answered_about_theirs, "the second mapper's map")
    assert not mapped.text("red").stale
    mapped.wait(lambda: "2 mappers" in mapped.health.status["/query"].message, "a warning of two")
    lose(mapped, other)
    mapped.wait(lambda: not mapped.text("red").stale, "the map of the mapper that is left")
    assert_fresh(mapped.text("red"), ours)
    assert mapped.client.status.map_id == ours


def test_a_clearing_and_a_load_begin_another_map_whose_revisions_count_on(mapped):
    before = mapped.client.status
    saved = mapped.save("home")
    cleared = mapped.clear()
    loaded = mapped.load("home")
    assert saved.map_id == before.map_id
    assert len({saved.map_id, cleared.map_id, loaded.map_id}) == 3
    assert saved.revision < cleared.revision < loaded.revision
    mapped.client.wait_for_map(loaded)
    assert_fresh(mapped.text("red"), loaded.map_id)
    mapped.wait(lambda: mapped.client.status.map_id == loaded.map_id, "the status")


def test_a_map_stays_the_same_one_while_its_mapper_is_inactive(mapped):
    before = mapped.text("red")
    for node in ("mapper", "query"):
        for label in ("deactivate", "activate"):
            assert mapped.transition(node, label)
    mapped.wait(lambda: not mapped.text("red").stale, "the map to be received again")
    response = mapped.text("red")
    assert (response.map_id, response.revision) == (before.map_id, before.revision)

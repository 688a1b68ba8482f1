"""One query node over the mappers of three robots in their namespaces: real processes over DDS."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from helpers.colored_maps import colored_scene
from helpers.diagnostics import Diagnostics
from helpers.robot import MAPPER, Talker, code_name
from om3d.srv import ListInstances, LoadMap, QueryText
from visualization_msgs.msg import MarkerArray

from om3d_core.data.scene_store import save_scene
from om3d_ros.node import qos
from om3d_ros.replay.client import Client
from om3d_ros.replay.processes import NodeProcess, Processes

COLORS = {"robot1/mapper": "red", "/robot2/mapper": "green", "robot3/mapper": "blue"}
LATE = "robot3/mapper"


class Fleet(Talker):
    """Who asks the query node over three mappers, each with a saved map of its own."""

    def __init__(self, folder, domain, stack):
        processes = stack.enter_context(Processes())
        self.mappers = {}
        for name, color in COLORS.items():
            space, root = name.strip("/").removesuffix("/mapper"), folder / color
            save_scene(colored_scene(color, f"{space}/map"), root / "home")
            parameters = {**MAPPER, "map_root": str(root), "map_frame": f"{space}/map"}
            self.mappers[name] = processes.add(NodeProcess(
                "helpers.doubled_mapper", folder / f"{color}.log", domain, parameters,
                {"__ns": f"/{space}"},
            ))
        parameters = {"autostart": True, "maps": ", ".join(COLORS)}
        processes.add(NodeProcess(
            "helpers.doubled_query", folder / "query.log", domain, parameters
        ))
        self.processes = processes
        super().__init__(stack.enter_context(Client(domain, processes.check)))

    def load(self, name):
        return self.call(LoadMap, f"{name.strip('/')}/load", name="home")

    def text(self, text, **fields):
        return self.call(QueryText, "query/query_text", text=text, **fields)


def told(response):
    """What was searched, by name."""
    return {one.name: one for one in response.searched}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, ros_domain_id):
    with ExitStack() as stack:
        made = Fleet(tmp_path_factory.mktemp("fleet"), ros_domain_id, stack)
        made.health = Diagnostics(made.client)
        loaded = {name: made.load(name) for name in COLORS if name != LATE}
        assert all(code_name(answer.error_code) == "NONE" for answer in loaded.values()), loaded
        made.wait(
            lambda: sum(bool(one.map_id) for one in made.text("red").searched) == len(loaded),
            "the maps in the query node",
        )
        yield made


def test_each_map_answers_by_its_name_and_one_that_is_late_is_told_until_it_comes(fleet):
    early = fleet.text("red")
    assert told(early)[LATE].error_msg and early.stale
    assert code_name(told(early)[LATE].error_code) == "NO_MAP"
    assert early.matches[0].map == "robot1/mapper" and early.present
    assert not fleet.text("blue").present
    fleet.load(LATE)
    fleet.wait(lambda: fleet.text("blue").present, "the late map")
    shown = []
    fleet.client.node.create_subscription(
        MarkerArray, "query/markers", shown.append, qos.latched()
    )
    for name, color in COLORS.items():
        response = fleet.text(color)
        best, frame = response.matches[0], f"{name.strip('/').partition('/')[0]}/map"
        assert (best.map, best.frame_id, best.id) == (name, frame, 5) and response.present
        assert not response.stale and list(told(response)) == list(COLORS)
        assert not any(one.error_code for one in response.searched)
    fleet.wait(
        lambda: shown and {m.header.frame_id for m in shown[-1].markers} == {
            "robot1/map", "robot2/map", "robot3/map"
        },
        "the markers of the last answer",
    )
    listed = fleet.call(ListInstances, "query/list_instances")
    assert [one.header.frame_id for one in listed.maps] == [
        "robot1/map", "robot2/map", "robot3/map"
    ]
    refused = fleet.text("red", map="robot4/mapper")
    assert code_name(refused.error_code) == "NOT_FOUND"
    assert ", ".join(COLORS) in refused.error_msg


def test_the_map_of_a_mapper_that_died_is_stale_and_the_others_are_fresh(fleet):
    lost = fleet.mappers["robot1/mapper"]
    fleet.processes.nodes.remove(lost)
    lost.kill()
    fleet.wait(lambda: told(fleet.text("red"))["robot1/mapper"].stale, "the map to be stale")
    response = fleet.text("red")
    assert response.matches[0].map == "robot1/mapper" and response.stale
    assert not any(one.stale for name, one in told(response).items() if name != "robot1/mapper")
    alone = fleet.text("green", map="/robot2/mapper")
    assert alone.present and not alone.stale
    assert (alone.map_id, alone.header.frame_id) == (
        told(response)["/robot2/mapper"].map_id, "robot2/map"
    )
    message = fleet.health.next("/query").message
    assert "robot1/mapper: the map is stale" in message
    assert message.count("the map is stale") == 1

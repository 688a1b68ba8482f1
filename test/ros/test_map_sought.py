"""The query node asks again for a map that does not come: a real process, default parameters."""

from __future__ import annotations

import pytest
from om3d.msg import InstanceArray, MapUpdate
from rclpy.event_handler import PublisherEventCallbacks

from om3d_ros.node import qos
from om3d_ros.replay import QUERY_MODULE, QUERY_REMAPS
from om3d_ros.replay.client import Client
from om3d_ros.replay.processes import NodeProcess, Processes


@pytest.fixture
def client(tmp_path, ros_domain_id):
    with Processes() as processes:
        log = tmp_path / "query.log"
        processes.add(NodeProcess(
            QUERY_MODULE, log, ros_domain_id, {"autostart": True}, QUERY_REMAPS
        ))
        with Client(ros_domain_id, processes.check) as client:
            yield client


def test_a_mapper_that_lives_and_sends_nothing_is_asked_again(client):
    matched = []
    alive = client.node.create_publisher(InstanceArray, "mapper/instances", qos.latched_alive())
    mapper = client.node.create_publisher(
        MapUpdate, "mapper/updates", qos.results(),
        event_callbacks=PublisherEventCallbacks(matched=lambda event: matched.append(event)),
    )
    # This client and the query node, which watches for mappers, too.
    client.spin_until(lambda: mapper.get_subscription_count() == 2, 60.0, "the query node")
    client.spin_until(lambda: alive.get_subscription_count() == 2, 60.0, "its watch")
    heard = sum(event.total_count_change for event in matched)
    client.spin_until(
        lambda: sum(event.total_count_change for event in matched) >= heard + 2, 30.0,
        "two more subscriptions",
    )
    client.spin_until(lambda: mapper.get_subscription_count() == 2, 10.0, "the former one's end")

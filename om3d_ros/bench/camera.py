"""A camera as a program: publishes frames of a recording at a steady rate, as a driver does.

``python -m om3d_ros.bench.camera TASK``, where TASK is JSON: ``scene``, ``source`` and ``streams``
(settings by dotted name), ``frames`` (how many to publish), ``distinct`` (of how many of the
recording, there and back), ``hz``, ``reliability``, ``readers`` (subscriptions to wait for) and
``out``, a file that gets the number published and the seconds taken.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from om3d_core.settings import build
from om3d_core.sources.open import open_source
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings
from om3d_ros.bench.messages import camera_messages

START_NS, CONNECT_S, SETTLE_S, LOOK_S = 1_000_000_000_000, 60.0, 2.0, 0.05
TOPICS = {
    "color": (Image, "color/image_raw"),
    "depth": (Image, "depth/image_raw"),
    "camera_info": (CameraInfo, "color/camera_info"),
    "tf": (TFMessage, "/tf"),
}


def profile(reliability: str) -> QoSProfile:
    """What drivers offer: reliable with a history of 10, or sensor data."""
    reliable = reliability == "reliable"
    return QoSProfile(
        depth=10 if reliable else 5, durability=DurabilityPolicy.VOLATILE,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
    )  # fmt: skip


def publish(node: Node, task: Mapping[str, Any]) -> None:
    """Wait for the readers, then publish."""
    source = open_source(
        Path(task["scene"]),
        build(SourceSettings, task["source"]),
        build(RecordedStreamSettings, task["streams"]),
    )
    frames = list(islice(source, task["distinct"]))
    round_trip = [*frames, *frames[-2:0:-1]]
    publishers = {
        channel: node.create_publisher(
            kind, topic, profile("reliable" if channel == "tf" else task["reliability"])
        )
        for channel, (kind, topic) in TOPICS.items()
    }
    end = time.monotonic() + CONNECT_S
    while min(publishers[c].get_subscription_count() for c in ("color", "depth")) < task[
        "readers"
    ]:
        if time.monotonic() > end:
            raise SystemExit("expected more subscriptions")
        time.sleep(LOOK_S)
    time.sleep(SETTLE_S)
    start = time.monotonic()
    for i in range(task["frames"]):
        stamp = START_NS + round(i * 1e9 / task["hz"])
        messages = camera_messages(round_trip[i % len(round_trip)], stamp)
        time.sleep(max(0.0, start + i / task["hz"] - time.monotonic()))
        for channel, message in messages.items():
            publishers[channel].publish(message)
    took_s = time.monotonic() - start
    Path(task["out"]).write_text(json.dumps({"published": task["frames"], "took_s": took_s}))
    for publisher in publishers.values():
        publisher.wait_for_all_acked(Duration(seconds=CONNECT_S))
    time.sleep(SETTLE_S)


def main() -> None:
    """Publish and end."""
    rclpy.init()
    publish(rclpy.create_node("camera"), json.loads(sys.argv[1]))
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()

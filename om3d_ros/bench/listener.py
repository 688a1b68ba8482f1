"""A bare subscriber of the camera as a program: what arrives at one that does nothing else.

``python -m om3d_ros.bench.listener OUT RELIABILITY`` writes how many pairs of color and depth of
one stamp it got to OUT when it is ended (SIGTERM).
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from functools import partial
from pathlib import Path

import rclpy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from om3d_ros.bench.camera import TOPICS, profile
from om3d_ros.conversions.stamps import stamp_ns


def main() -> None:
    """Listen until ended."""
    out, reliability = Path(sys.argv[1]), sys.argv[2]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("listener")
    got: dict[str, set[int]] = {"color": set(), "depth": set()}
    for channel, stamps in got.items():
        node.create_subscription(
            Image, TOPICS[channel][1], partial(_note, stamps), profile(reliability)
        )
    while not ended.is_set():
        rclpy.spin_once(node, timeout_sec=0.2)
    out.write_text(json.dumps({"pairs": len(got["color"] & got["depth"])}))


def _note(stamps: set[int], message: Image) -> None:
    stamps.add(stamp_ns(message.header.stamp))


if __name__ == "__main__":
    main()

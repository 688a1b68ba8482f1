"""A bare rclpy subscriber of the camera as a program: what arrives at one that does nothing else.

Subscribes as rclpy does by default (best effort or reliable, history 10), and writes the stamps
of the pairs of color and depth that it got to OUT when it is ended.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

import rclpy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from helpers.camera import profile
from om3d_ros.conversions.stamps import stamp_ns


def main():
    out, reliability = Path(sys.argv[1]), sys.argv[2]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("listener")
    got = {"color": set(), "depth": set()}
    for name, stamps in got.items():
        node.create_subscription(
            Image, f"{name}/image_raw", lambda m, s=stamps: s.add(stamp_ns(m.header.stamp)),
            profile(reliability),
        )
    while not ended.is_set():
        rclpy.spin_once(node, timeout_sec=0.2)
    out.write_text(json.dumps({name: sorted(stamps) for name, stamps in got.items()}))


if __name__ == "__main__":
    main()

"""A camera as a program: publishes the tabletop's frames at a steady rate, as a driver does.

``python -m helpers.camera OUT --reliability reliable --hz 10 --frames 100 --readers 2`` waits for
so many subscriptions of the color images, publishes and writes the published stamps to OUT. It
ends once what is reliable has arrived.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from helpers.worlds import tabletop
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.poses import to_transforms
from om3d_ros.conversions.stamps import header
from om3d_ros.node.qos import latched

RENDERED, START_NS, CONNECT_S, SETTLE_S = 40, 1_000_000_000_000, 60.0, 2.0


def profile(reliability):
    """What drivers offer: reliable with a history of 10, or sensor data."""
    reliable = reliability == "reliable"
    return QoSProfile(
        depth=10 if reliable else 5, durability=DurabilityPolicy.VOLATILE,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
    )


def publish(node, args):
    offered = profile(args.reliability)
    color = node.create_publisher(Image, "color/image_raw", offered)
    depth = node.create_publisher(Image, "depth/image_raw", offered)
    info = node.create_publisher(
        CameraInfo, "color/camera_info", latched() if args.info_once else offered
    )
    transforms = node.create_publisher(TFMessage, "/tf", profile("reliable"))
    views = tabletop(RENDERED, 640, 480)
    outputs = (color, depth, info, transforms)
    end = time.monotonic() + CONNECT_S
    while min(p.get_subscription_count() for p in outputs[:2]) < args.readers:
        if time.monotonic() > end:
            raise SystemExit("expected more subscriptions")
        time.sleep(0.05)
    time.sleep(SETTLE_S)
    period_ns = round(1e9 / args.hz)
    stamps, start = [], time.monotonic()
    for i in range(args.frames):
        view, stamp = views[i * args.stride % len(views)], START_NS + i * period_ns
        camera = header("camera", stamp)
        shifted = header("camera", stamp + round(1e6 * args.depth_shift_ms))
        millimeters = np.rint(view.depth * 1000).astype(np.uint16)
        messages = (
            from_pixels(view.rgb, "rgb8", camera),
            from_pixels(millimeters, "16UC1", shifted) if args.depth == "16UC1"
            else from_pixels(view.depth, "32FC1", shifted),
            from_intrinsics(view.intrinsics, camera),
            to_transforms("map", "camera", stamp, view.map_from_camera),
        )
        time.sleep(max(0.0, start + i / args.hz - time.monotonic()))
        for publisher, message in zip(outputs, messages, strict=True):
            once = publisher is info and args.info_once
            if publisher.topic_name != f"/{args.without}" and not (once and i):
                publisher.publish(message)
        stamps.append(stamp)
    took_s = time.monotonic() - start
    args.out.write_text(json.dumps({"stamps": stamps, "took_s": took_s}))
    for publisher in outputs:
        publisher.wait_for_all_acked(Duration(seconds=CONNECT_S))
    time.sleep(SETTLE_S)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--reliability", default="reliable")
    parser.add_argument("--depth", default="16UC1")
    parser.add_argument("--hz", type=float, default=10.0)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--depth-shift-ms", type=float, default=0.0)
    parser.add_argument("--without", default="")
    parser.add_argument("--info-once", action="store_true")
    parser.add_argument("--readers", type=int, default=1)
    args = parser.parse_args(rclpy.utilities.remove_ros_args()[1:])
    rclpy.init()
    publish(rclpy.create_node("camera"), args)
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()

"""Cameras as they are, with real nodes: compressed, of two sizes, with a lens."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from helpers.robot import Robot
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage

from om3d_core.formats.image_fields import encode_compressed_color, encode_compressed_depth
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.stamps import header
from om3d_ros.node import qos

FRAMES, NEAR_M = 8, 0.01
LENS = (-0.12, 0.03, 0.001, -0.001, 0.0)


def mapped(robot, views, messages):
    """The centers of what is mapped of ``messages(view)``, by publisher, beside the odometry."""
    for view in views:
        done = robot.done()
        robot.send(view, without=("color", "depth", "camera_info"))
        for name, message in messages(view).items():
            robot.publishers[name].publish(message)
        robot.wait(lambda done=done: robot.done() > done, "the frame")
    assert robot.client.status.frames_processed == FRAMES
    return robot.centers()


def pictures(view, rgb, depth, encoding="32FC1"):
    at = header("camera", view.stamp_ns)
    return {"color": from_pixels(rgb, "rgb8", at), "depth": from_pixels(depth, encoding, at)}


def test_compressed_images_on_the_topics_of_image_transport(
    tmp_path, ros_domain_id, views, clean
):
    with Robot(tmp_path, ros_domain_id, mapper={"sensor.transport": "compressed"}) as robot:
        node = robot.client.node
        for name, topic in (
            ("color", "color/image_raw/compressed"), ("depth", "depth/image_raw/compressedDepth")
        ):
            node.destroy_publisher(robot.publishers[name])
            robot.publishers[name] = node.create_publisher(
                CompressedImage, topic, qos_profile_sensor_data if name == "color" else
                qos.results(),
            )
        robot.wait_until_ready()

        def messages(view):
            at = header("camera", view.stamp_ns)
            color = encode_compressed_color(view.rgb, "jpeg", 95)
            depth = encode_compressed_depth(np.rint(1000 * view.depth).astype(np.uint16))
            sent = {"camera_info": from_intrinsics(view.intrinsics, at)}
            for name, (kind, data) in (("color", color), ("depth", depth)):
                sent[name] = CompressedImage(header=at, format=kind)
                sent[name].data = array("B", data.tobytes())
            return sent

        found = mapped(robot, views, messages)
    assert np.median(np.linalg.norm(found - clean, axis=1)) < NEAR_M


def test_depth_of_half_the_size(tmp_path, ros_domain_id, views, clean):
    def messages(view):
        info = from_intrinsics(view.intrinsics, header("camera", view.stamp_ns))
        half = np.ascontiguousarray(view.depth[::2, ::2])
        return {"camera_info": info, **pictures(view, view.rgb, half)}

    with Robot(tmp_path, ros_domain_id) as robot:
        found = mapped(robot.wait_until_ready(), views, messages)
    assert np.median(np.linalg.norm(found - clean, axis=1)) < NEAR_M


def through_lens(view):
    """Color and depth as a lens shows them: each pixel what a pinhole sees in its direction."""
    k, (height, width) = view.intrinsics, view.depth.shape
    v, u = np.mgrid[:height, :width].astype(np.float32)
    pixels = np.stack([u, v], -1).reshape(-1, 1, 2)
    straight = cv2.undistortPoints(pixels, k.matrix, np.array(LENS), P=k.matrix)
    where = straight.reshape(height, width, 2).astype(np.float32)
    rgb = cv2.remap(view.rgb, where, None, cv2.INTER_LINEAR)
    return rgb, cv2.remap(view.depth, where, None, cv2.INTER_NEAREST)


def test_images_of_a_lens_are_rectified(tmp_path, ros_domain_id, views, clean):
    def messages(view):
        info = from_intrinsics(view.intrinsics, header("camera", view.stamp_ns))
        info.d = list(LENS)
        return {"camera_info": info, **pictures(view, *through_lens(view))}

    with Robot(tmp_path, ros_domain_id) as robot:
        found = mapped(robot.wait_until_ready(), views, messages)
    assert np.median(np.linalg.norm(found - clean, axis=1)) < NEAR_M


def test_a_lens_of_no_known_model_is_refused_by_name(tmp_path, ros_domain_id, views):
    with Robot(tmp_path, ros_domain_id) as robot:
        robot.wait_until_ready()
        view = views[0]
        info = from_intrinsics(view.intrinsics, header("camera", view.stamp_ns))
        info.d, info.distortion_model = list(LENS), "mystery"
        robot.send(view, without=("camera_info",))
        robot.publishers["camera_info"].publish(info)
        robot.wait(lambda: robot.client.status.inputs_rejected == 1, "the refusal")
        assert "distortion model of plumb_bob" in (robot.folder / "mapper-0.log").read_text()

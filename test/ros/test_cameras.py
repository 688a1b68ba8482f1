"""Cameras as they are, with real nodes: compressed, of two sizes, with a lens, several."""

from __future__ import annotations

from array import array
from dataclasses import replace

import cv2
import numpy as np
from helpers.poses import pose
from helpers.robot import Robot
from helpers.worlds import depth_from_beside
from nav_msgs.msg import Odometry
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from om3d_core.data.frame import Intrinsics
from om3d_core.data.poses import inverse
from om3d_core.formats.image_fields import encode_compressed_color, encode_compressed_depth
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.poses import from_matrix, to_transforms
from om3d_ros.conversions.stamps import header
from om3d_ros.node import qos

FRAMES, NEAR_M = 8, 0.01
BESIDE, WIDE = pose(0.06, 0.02), Intrinsics(290.0, 290.0, 158.0, 121.0, 320, 240)
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


def test_depth_of_a_camera_of_its_own_is_registered_once_tf_and_camera_info_tell_how(
    tmp_path, ros_domain_id, views, clean
):
    def messages(view):
        info = from_intrinsics(view.intrinsics, header("camera", view.stamp_ns))
        (seen,) = depth_from_beside([view], BESIDE, WIDE)
        depth = from_pixels(seen, "32FC1", header("depth_camera", view.stamp_ns))
        return {"camera_info": info, **pictures(view, view.rgb, view.depth), "depth": depth}

    with Robot(tmp_path, ros_domain_id) as robot:
        early = replace(views[0], stamp_ns=views[0].stamp_ns - 50_000_000)
        robot.wait_until_ready().send(early, without=("color", "depth", "camera_info"))
        for name, message in messages(early).items():
            robot.publishers[name].publish(message)
        robot.wait(lambda: robot.client.status.inputs_rejected == 1, "the refusal")
        said = (robot.folder / "mapper-0.log").read_text()
        assert "depth is in 'depth_camera', color in 'camera'" in said and "depth.camera" in said
        beside = robot.client.node.create_publisher(
            CameraInfo, "depth/camera_info", qos.latched()
        )
        beside.publish(from_intrinsics(WIDE, header("depth_camera", 0)))
        robot.publishers["tf_static"].publish(
            to_transforms("camera", "depth_camera", 0, BESIDE)
        )
        robot.wait(beside.get_subscription_count, "the subscription")
        robot.client.spin(0.5)
        found = mapped(robot, views, messages)
    assert np.median(np.linalg.norm(found - clean, axis=1)) < NEAR_M


def test_two_cameras_at_once_make_one_map(tmp_path, ros_domain_id, views, clean):
    """Each sees every other view, the first two at the same moment."""
    front = pose(0.2, 0.3)
    base = views[0].map_from_camera @ inverse(front)
    mounts = {"front": front, "rear": inverse(base) @ views[1].map_from_camera}
    with Robot(tmp_path, ros_domain_id, mapper={"cameras": ["front", "rear"]}) as robot:
        robot.client.wait_for_nodes()
        node, topics = robot.client.node, {}
        for name in mounts:
            for kind, topic in (
                (Image, "color/image_raw"), (Image, "depth/image_raw"),
                (CameraInfo, "color/camera_info"),
            ):
                topics[name, topic] = node.create_publisher(
                    kind, f"{name}/{topic}", qos.results()
                )
        used = [*topics.values(), robot.publishers["odometry"], robot.publishers["tf_static"]]
        robot.wait(lambda: all(p.get_subscription_count() for p in used), "subscriptions")
        # One message, as a static broadcaster sends: of two a late subscriber gets the last.
        robot.publishers["tf_static"].publish(TFMessage(transforms=[
            to_transforms("base_link", f"{name}_optical", 0, mount).transforms[0]
            for name, mount in mounts.items()
        ]))
        robot.client.spin(0.5)
        for at, pair in enumerate(zip(views[::2], views[1::2], strict=True), 1):
            for turn, (view, name) in enumerate(zip(pair, mounts, strict=True)):
                stamp = (10 * at + 5 * turn * (at > 1)) * 100_000_000
                where, seen = header("map", stamp), header(f"{name}_optical", stamp)
                odometry = Odometry(header=where, child_frame_id="base_link")
                odometry.pose.pose = from_matrix(view.map_from_camera @ inverse(mounts[name]))
                done = robot.done()
                robot.publishers["odometry"].publish(odometry)
                topics[name, "color/camera_info"].publish(
                    from_intrinsics(view.intrinsics, seen)
                )
                topics[name, "color/image_raw"].publish(from_pixels(view.rgb, "rgb8", seen))
                topics[name, "depth/image_raw"].publish(
                    from_pixels(view.depth, "32FC1", seen)
                )
                robot.wait(lambda done=done: robot.done() > done, "the frame")
        found = robot.centers()
        assert robot.client.status.frames_processed == FRAMES
        assert robot.client.status.frames_kept == FRAMES
        assert robot.client.scene.camera_frames.keys() >= {1_000_000_001}
    assert np.median(np.linalg.norm(found - clean, axis=1)) < NEAR_M

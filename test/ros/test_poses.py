"""Poses as robots have them, with real nodes: by tf, and of a robot that carries the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from helpers.diagnostics import Diagnostics
from helpers.poses import pose
from helpers.robot import Robot
from nav_msgs.msg import Odometry

from om3d_core.data.poses import inverse
from om3d_ros.conversions.images import from_pixels
from om3d_ros.conversions.poses import from_matrix, to_transforms
from om3d_ros.conversions.stamps import header
from om3d_ros.node import qos

FRAMES, SECOND, NEAR_M = 8, 1_000_000_000, 0.01
MOUNT = pose(0.3, 0.5)


def start(folder, domain, source, **parameters):
    """A robot whose poses come from ``source``; None leaves the default."""
    mapper = {"pose.source": "tf" if source is None else source, **parameters}
    robot = Robot(folder, domain, mapper=mapper)
    robot.client.wait_for_nodes()
    used = {"color", "depth", "camera_info", "tf", "tf_static"}
    topic = {"odometry": "odometry", "pose": "pose"}.get(source)
    wanted = [robot.publishers[name] for name in used | ({topic} if topic else set())]
    robot.wait(lambda: all(p.get_subscription_count() for p in wanted), "subscriptions")
    robot.health = Diagnostics(robot.client)
    return robot


def send(robot, view, name="", message=None):
    """The images of a view; before them a message that tells where the camera is."""
    if message is not None:
        robot.publishers[name].publish(message)
    robot.send(view, without=("odometry",))


def carried(robot, view):
    """map -> odom -> base_link at a moment, as odometry and a localization tell them."""
    map_from_odom = pose(1.0, 0.2)
    odom_from_base = inverse(map_from_odom) @ view.map_from_camera @ inverse(MOUNT)
    for names, transform in (
        (("map", "odom"), map_from_odom), (("odom", "base_link"), odom_from_base)
    ):
        robot.publishers["tf"].publish(to_transforms(*names, view.stamp_ns, transform))


def test_tf_alone_tells_where_the_camera_is(tmp_path, ros_domain_id, views, clean):
    with start(tmp_path, ros_domain_id, None) as robot:
        robot.publishers["tf_static"].publish(to_transforms("base_link", "camera", 0, MOUNT))
        for view in views:
            done = robot.done()
            carried(robot, view)
            send(robot, view)
            robot.wait(lambda done=done: robot.done() > done, "the frame")
        found = robot.centers()
        assert robot.client.status.frames_processed == FRAMES
        assert robot.client.status.inputs_rejected == 0
    assert np.median(np.linalg.norm(found - clean, axis=1)) < NEAR_M


def test_images_wait_for_transforms_that_come_later(tmp_path, ros_domain_id, views, clean):
    with start(tmp_path, ros_domain_id, None) as robot:
        for view in views:
            send(robot, view)
            robot.client.spin(0.05)
        assert robot.client.status.frames_processed == 0
        robot.publishers["tf_static"].publish(to_transforms("base_link", "camera", 0, MOUNT))
        for view in views:
            carried(robot, view)
        robot.wait(lambda: robot.done() == FRAMES, "all frames")
        assert np.median(np.linalg.norm(robot.centers() - clean, axis=1)) < NEAR_M


def test_a_gap_in_tf_is_told_with_the_names_of_the_frames(tmp_path, ros_domain_id, views):
    with start(tmp_path, ros_domain_id, None) as robot:
        for view in views:
            carried(robot, view)
            send(robot, view)
        said = []

        def told():
            said.append(robot.health.next("/mapper").message)
            return "tf does not connect 'map' with 'camera'" in said[-1]

        robot.wait(told, "the complaint")
        assert "base_link, map, odom" in said[-1] and "map_frame" in said[-1]
        assert robot.client.status.frames_processed == 0


@pytest.mark.parametrize("source", ["odometry", "pose", "pose_with_covariance"])
def test_poses_of_the_robot_are_those_of_the_camera_by_its_mount(
    tmp_path, ros_domain_id, views, clean, source
):
    parameters = {} if source == "odometry" else {"pose.of_frame": "base_link"}
    with start(tmp_path, ros_domain_id, source, **parameters) as robot:
        if source != "odometry":
            kind = PoseStamped if source == "pose" else PoseWithCovarianceStamped
            node = robot.client.node
            node.destroy_publisher(robot.publishers["pose"])
            robot.publishers["pose"] = node.create_publisher(kind, "pose", qos.results())
            robot.wait(robot.publishers["pose"].get_subscription_count, "the subscription")
        name = "odometry" if source == "odometry" else "pose"
        refused = robot.client.status.inputs_rejected
        send(robot, views[0])

        def is_refused():
            robot.publishers[name].publish(of_base(source, views[1]))
            robot.client.spin(0.2)
            return robot.client.status.inputs_rejected > refused

        robot.wait(is_refused, "the refusal")
        said = robot.health.next("/mapper").message
        assert "'camera'" in said and "'base_link'" in said
        robot.publishers["tf_static"].publish(to_transforms("base_link", "camera", 0, MOUNT))
        robot.client.spin(1.0)
        for view in views:
            later = replace(view, stamp_ns=view.stamp_ns + 10 * SECOND)
            done = robot.client.status.frames_processed
            send(robot, later, name, of_base(source, later))
            robot.wait(
                lambda done=done: robot.client.status.frames_processed > done, "the frame"
            )
        assert np.median(np.linalg.norm(robot.centers() - clean, axis=1)) < NEAR_M


def of_base(source, view):
    """The pose topic's message for the robot that carries the camera."""
    at = header("map", view.stamp_ns)
    where = from_matrix(view.map_from_camera @ inverse(MOUNT))
    if source == "pose":
        return PoseStamped(header=at, pose=where)
    if source == "odometry":
        message = Odometry(header=at, child_frame_id="base_link")
    else:
        message = PoseWithCovarianceStamped(header=at)
    message.pose.pose = where
    return message


def test_images_of_another_camera_on_the_topic_are_refused(tmp_path, ros_domain_id, views):
    with Robot(tmp_path, ros_domain_id) as robot:
        robot.wait_until_ready().stream(views[:2])
        strange = from_pixels(views[2].rgb, "rgb8", header("rear", views[2].stamp_ns))
        robot.publishers["color"].publish(strange)
        robot.wait(lambda: robot.client.status.inputs_rejected == 1, "the refusal")
        robot.stream(views[2:])
        assert robot.client.status.frames_processed == FRAMES
        assert "images of the frame 'camera'" in (robot.folder / "mapper-0.log").read_text()


def test_a_pose_that_is_too_uncertain_is_refused_and_the_next_is_taken(
    tmp_path, ros_domain_id, views
):
    with start(tmp_path, ros_domain_id, "odometry", **{"pose.max_position_std_m": 0.1}) as robot:
        message = Odometry(header=header("map", views[0].stamp_ns), child_frame_id="camera")
        message.pose.pose = from_matrix(views[0].map_from_camera)
        message.pose.covariance[0] = 0.5**2
        send(robot, views[0], "odometry", message)
        robot.wait(lambda: robot.client.status.inputs_rejected == 1, "the refusal")
        assert "pose.max_position_std_m" in robot.health.next("/mapper").message
        message.pose.covariance[0] = 0.05**2
        robot.publishers["odometry"].publish(message)
        robot.wait(lambda: robot.client.status.frames_processed == 1, "the frame")


def test_a_jump_of_the_localization_moves_what_was_mapped(tmp_path, ros_domain_id, views, clean):
    """Half of the views come while the place of odom in the map is wrong."""
    wrong = pose(1.5, 0.7)
    with start(tmp_path, ros_domain_id, "odometry") as robot:
        robot.publishers["tf_static"].publish(to_transforms("base_link", "camera", 0, MOUNT))
        for n, view in enumerate(views):
            stamp, done = view.stamp_ns, robot.done()
            place = wrong if n < FRAMES // 2 else np.eye(4)
            robot.publishers["tf"].publish(to_transforms("map", "odom", stamp, place))
            at = Odometry(header=header("odom", stamp), child_frame_id="base_link")
            at.pose.pose = from_matrix(view.map_from_camera @ inverse(MOUNT))
            robot.client.spin(0.05)
            send(robot, view, "odometry", at)
            robot.wait(lambda done=done: robot.done() > done, "the frame")
            if n == FRAMES // 2 - 1:
                before = robot.centers()
        found = robot.centers()
    assert not len(before), "expected nothing where the things are"
    assert np.median(np.linalg.norm(found - clean, axis=1)) < NEAR_M
    said = (robot.folder / "mapper-0.log").read_text()
    assert f"{FRAMES // 2} keyframes were moved" in said


def test_a_bag_that_is_played_in_a_loop_makes_the_map_of_playing_it_once(
    tmp_path, ros_domain_id, views, clean
):
    with start(tmp_path, ros_domain_id, None) as robot:
        robot.publishers["tf_static"].publish(to_transforms("base_link", "camera", 0, MOUNT))
        for _ in range(2):
            for n, view in enumerate(views, 1):
                slow = replace(view, stamp_ns=n * SECOND // 2)
                done = robot.done()
                carried(robot, slow)
                send(robot, slow)
                robot.wait(lambda done=done: robot.done() > done, "the frame")
        found = robot.centers()
        assert robot.client.status.frames_processed == 2 * FRAMES
        assert robot.client.status.frames_kept == FRAMES
        assert "jumps back" in {v.key for v in robot.health.next("/mapper").values}
    assert np.median(np.linalg.norm(found - clean, axis=1)) < NEAR_M

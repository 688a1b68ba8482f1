"""The two nodes as real processes over DDS, from the first question to the last kill."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from helpers.ground import room
from helpers.ground_messages import ground_message
from helpers.map_files import forge
from helpers.robot import Robot, code_name
from helpers.worlds import BOXES, tabletop
from nav_msgs.msg import OccupancyGrid
from om3d.action import Refresh
from om3d.msg import Error
from om3d.srv import GoalNear, ListInstances, QueryText
from rclpy.action import ActionClient
from sensor_msgs.msg import CompressedImage, Image

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.scene_store import load_scene, save_scene
from om3d_core.mapping.fusion import cloud_from_frame
from om3d_ros.conversions.images import from_jpeg, from_pixels
from om3d_ros.conversions.poses import to_transforms
from om3d_ros.conversions.stamps import header
from om3d_ros.node import qos

FRAMES = 8
SECOND = 1_000_000_000
NAMES = list(BOXES)


@pytest.fixture(scope="module")
def frames():
    return tabletop(FRAMES, 320, 240)


@pytest.fixture(scope="module")
def robot(tmp_path_factory, ros_domain_id):
    placed = {"goal.robot_frame": "base_link"}
    with Robot(tmp_path_factory.mktemp("nodes"), ros_domain_id, query=placed) as robot:
        yield robot.wait_until_ready()


@pytest.fixture
def mapped(robot, frames):
    """The robot with a map of all frames, and the encoder for questions to it."""
    asked = robot.client.ask(robot.client.query_text, QueryText.Request(text="red"))
    if asked.error_code != Error.NONE:
        robot.stream(frames)
        robot.refresh()
    return robot


def wait_for_health(robot, name, text, but_not=None):
    """The first diagnostic status of a node whose message contains ``text``."""
    found = []

    def take(message):
        found.extend(
            s for s in message.status
            if s.name == name and text in s.message and (but_not or "\0") not in s.message
        )

    subscription = robot.client.node.create_subscription(
        DiagnosticArray, "/diagnostics", take, qos.results()
    )
    robot.wait(lambda: found, f"diagnostics of {name} to say {text!r}")
    robot.client.node.destroy_subscription(subscription)
    return found[-1]


def code(response):
    return code_name(response.error_code)


def test_a_query_before_the_first_map_is_an_error(robot):
    for response in (robot.text("red"), robot.image(image=red_picture())):
        assert code(response) == "NO_MAP" and "map" in response.error_msg
        assert not response.matches and not response.markers.markers
    assert code(robot.call(ListInstances, "query/list_instances")) == "NO_MAP"
    assert code(robot.save("nothing")) == "NO_MAP"


def test_a_refresh_without_data_is_an_error(robot):
    result = refresh_result(robot)
    assert code(result) == "INSUFFICIENT_DATA" and result.revision == 0


def test_a_missing_camera_info_is_diagnosed(robot, frames):
    robot.send(frames[0], without=("camera_info",), shift_ns=20 * SECOND)
    status = wait_for_health(
        robot, "/mapper", "no messages on camera_info", but_not="no messages on color"
    )
    assert status.level == DiagnosticStatus.WARN
    assert robot.client.status.frames_processed == 0


def test_a_wrong_encoding_is_rejected_and_counted(robot, frames):
    before = robot.client.status.inputs_rejected
    robot.stream(frames[:1], encoding="yuv777", shift_ns=40 * SECOND)
    assert robot.client.status.inputs_rejected == before + 1
    assert "encoding" in wait_for_health(robot, "/mapper", "last error").message


def test_stream_and_refresh(robot, frames):
    processed = robot.client.status.frames_processed
    robot.stream(frames)
    assert robot.client.status.frames_processed == processed + FRAMES
    stages = []
    result = robot.client.refresh(lambda stage, done, total: stages.append(stage))
    scene = robot.client.wait_for_map(result)
    assert result.revision == 1 and result.n_instances == len(BOXES) and result.n_encoded > 0
    robot.wait(lambda: {"fuse", "encode"} <= set(stages), "the feedback, which may come later")
    assert scene.ids.tolist() == [1, 2, 3, 4] and len(scene.cloud) > 3000
    for name, box in list(zip(NAMES, scene.boxes, strict=True))[1:]:
        assert np.allclose(box.center, BOXES[name][0], atol=0.06)
        assert box.size.max() < max(BOXES[name][1]) + 0.12
    idle = robot.client.refresh()
    assert idle.n_encoded == 0


@pytest.mark.parametrize("name", ["red", "green", "blue"])
def test_text_query(mapped, name):
    response = mapped.text(name, top_k=2)
    assert code(response) == "NONE" and not response.stale
    assert response.present == response.matches[0].present
    assert len(response.matches) == 2 and [m.rank for m in response.matches] == [1, 2]
    best = response.matches[0]
    assert best.id == NAMES.index(name) + 1
    position = best.box_pose.position
    assert np.allclose([position.x, position.y, position.z], BOXES[name][0], atol=0.06)
    assert response.header.frame_id == "map" and response.header.stamp.nanosec > 0


def test_image_query(mapped):
    for response in (mapped.image(image=red_picture()), mapped.image(compressed=red_jpeg())):
        assert code(response) == "NONE" and response.matches[0].id == NAMES.index("red") + 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (lambda: {"image": red_picture(encoding="yuv777")}, "encoding"),
        (lambda: {"image": red_picture(step=1)}, "step"),
        (dict, "none"),
        (lambda: {"image": red_picture(), "compressed": red_jpeg()}, "both"),
        (lambda: {"compressed": from_jpeg(b"not a picture", header("", 0))}, "JPEG"),
    ],
)
def test_a_bad_picture_is_an_error(mapped, fields, said):
    response = mapped.image(**fields())
    assert code(response) == "INVALID_ARGUMENT" and said in response.error_msg
    assert not response.matches


@pytest.mark.parametrize("text", ["", "  \n", "x" * 5000])
def test_a_bad_text_is_an_error(mapped, text):
    response = mapped.text(text)
    assert code(response) == "INVALID_ARGUMENT" and "text" in response.error_msg


def test_list_instances(mapped):
    bare = mapped.call(ListInstances, "query/list_instances", include_structure=True)
    full = mapped.call(
        ListInstances, "query/list_instances", include_structure=True, include_features=True,
        include_thumbnails=True,
    )
    assert [i.id for i in full.map.instances] == [1, 2, 3, 4]
    assert full.map.revision == revision_of(mapped)
    assert bare.map.instances == full.map.instances and not bare.views
    for instance, views in zip(full.map.instances, full.views, strict=True):
        assert views.id == instance.id and len(views.thumbnails) == instance.n_views > 0
        table = views.features[0]
        assert table.space == "color@1" and len(table.data) == table.views * table.dim


def test_goal_near(mapped):
    """From no grid to a goal, by id and by text, from where tf has the robot."""
    def near(**fields):
        return mapped.call(GoalNear, "query/goal_near", **fields)

    node, elsewhere = mapped.client.node, PoseStamped(header=header("map", 0))
    elsewhere.pose.position.x = -2.0
    assert code(near(text="red", robot=elsewhere)) == "NOT_FOUND"
    assert mapped.set_parameter("query", "present_threshold", 0.0).successful
    assert code(near(text="red", robot=elsewhere)) == "NO_GRID"
    grids = node.create_publisher(OccupancyGrid, "map", qos.latched())
    good = ground_message(room(6, 6, origin_m=(-3.0, -3.0, 0.0)))
    odd, foreign = deepcopy(good), deepcopy(good)
    odd.data, foreign.header.frame_id = odd.data[1:], "odom"
    for bad, said in ((odd, "data of info.width * info.height"), (foreign, "'odom'")):
        grids.publish(bad)
        mapped.wait(lambda s=said: s in near(text="red", robot=elsewhere).error_msg, "a refusal")
    assert code(near(text="red", robot=elsewhere)) == "NO_GRID"
    wait_for_health(mapped, "/query", "the newest grid on map was refused")

    grids.publish(good)
    mapped.wait(lambda: code(near(instance_id=2, robot=elsewhere)) == "NONE", "the grid")
    beside = near(instance_id=2, robot=elsewhere)
    assert beside.instance_id == 2 and beside.probability == 1.0 and beside.reachability_checked
    assert beside.goal.header == header("map", 0) and beside.goal.pose.position.x < -0.9
    assert code(near(instance_id=2)) == "TRANSFORM"
    base = np.eye(4)
    base[0, 3] = 2.0
    mapped.wait(lambda: (
        mapped.publishers["tf"].publish(to_transforms("map", "base_link", SECOND, base))
        or code(near(instance_id=2)) == "NONE"
    ), "the robot's place")
    asked = near(text="blue", stand_off_m=0.7)
    assert asked.instance_id == NAMES.index("blue") + 1 and 0 < asked.probability <= 1
    position, turned = asked.goal.pose.position, asked.goal.pose.orientation
    center = BOXES["blue"][0]
    assert position.x > 0.9 and asked.distance_m == pytest.approx(0.7, abs=0.1) and asked.in_sight
    yaw = np.arctan2(center[1] - position.y, center[0] - position.x)
    assert np.allclose([turned.z, turned.w], [np.sin(yaw / 2), np.cos(yaw / 2)], atol=0.05)
    assert asked.map_id == beside.map_id == mapped.text("blue").map_id and not asked.stale
    node.destroy_publisher(grids)
    assert mapped.set_parameter("query", "present_threshold", 0.5).successful


def test_save_clear_and_load(mapped):
    saved = mapped.save("rooms/kitchen")
    assert code(saved) == "NONE" and saved.path.endswith("maps/rooms/kitchen")
    assert saved.revision == mapped.text("blue").revision == revision_in(saved.path)
    before = mapped.text("blue").matches[0]
    cleared = mapped.clear()
    assert code(cleared) == "NONE" and cleared.revision > saved.revision
    mapped.wait(lambda: code(mapped.text("blue")) == "NO_MAP", "the empty map")
    loaded = mapped.load("rooms/kitchen")
    assert code(loaded) == "NONE" and loaded.revision > cleared.revision
    assert loaded.n_instances == len(BOXES)
    mapped.client.wait_for_map(loaded)
    assert mapped.text("blue").matches[0] == before
    assert mapped.text("blue").revision == loaded.revision
    again = mapped.save("rooms/kitchen")
    assert again.revision == loaded.revision == revision_in(again.path)


def test_a_forced_refresh_without_news_publishes_the_same_revision(mapped):
    revision = mapped.client.refresh().revision
    mapped.wait(lambda: mapped.client.instances.revision == revision, "the newest map")
    published, result = mapped.client.instances, mapped.client.refresh()
    assert result.revision == revision and result.n_encoded == 0
    mapped.wait(lambda: mapped.client.instances is not published, "the map to be published again")
    assert mapped.client.instances.revision == revision


def test_the_query_node_loads_the_encoder_that_the_map_names_or_says_what_is_missing(mapped):
    log = mapped.folder / "query.log"
    assert "loaded the encoder of color@1" in log.read_text()
    saved = mapped.save("rooms/own")
    scene = load_scene(Path(saved.path))
    (table,) = scene.features
    foreign = replace(table, space=FeatureSpace(
        "clip/some/model@01234567", 3, True, True, "some/model@0123456789", "clip", "original"
    ))
    save_scene(replace(scene, features=(foreign,)), Path(saved.path).parent / "foreign")
    mapped.client.wait_for_map(mapped.load("rooms/foreign"))
    for response in (mapped.text("red"), mapped.image(image=red_picture())):
        assert code(response) == "UNSUPPORTED" and not response.matches
        assert "some/model@0123456789 is not on this machine" in response.error_msg
        assert "om3d models pull some/model" in response.error_msg
    assert code(mapped.call(ListInstances, "query/list_instances")) == "NONE"
    wait_for_health(mapped, "/query", "does not load: clip.model: some/model")
    mapped.client.wait_for_map(mapped.load("rooms/own"))
    assert mapped.text("red").matches[0].id == NAMES.index("red") + 1


def test_a_map_in_another_frame_is_not_mixed_with_this_one(mapped):
    saved = mapped.save("rooms/elsewhere")
    assert json.loads((Path(saved.path) / "map.json").read_text())["frame"] == "map"
    forge(Path(saved.path), lambda arrays, values: values.update(frame="odom"))
    refused = mapped.load("rooms/elsewhere")
    assert code(refused) == "TRANSFORM"
    assert "'map' (parameter map_frame)" in refused.error_msg and "'odom'" in refused.error_msg
    assert revision_of(mapped) == saved.revision
    forge(Path(saved.path), lambda arrays, values: values.update(frame=""))
    mapped.client.wait_for_map(mapped.load("rooms/elsewhere"))


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/../../up", "/tmp/abs", "a\\b", "\n"])
def test_names_that_climb_out_are_refused(mapped, name):
    for response in (mapped.save(name), mapped.load(name)):
        assert code(response) == "INVALID_ARGUMENT" and "name" in response.error_msg


def test_a_missing_map_is_an_error_and_changes_nothing(mapped):
    revision = revision_of(mapped)
    response = mapped.load("not/there")
    assert code(response) == "IO" and "not/there" in response.error_msg
    assert revision_of(mapped) == revision


def test_a_damaged_map_is_an_error_and_changes_nothing(mapped):
    def halve(arrays, _):
        arrays["features_0_lengths"] = arrays["features_0_lengths"].astype(np.float16)

    saved, before = mapped.save("damaged"), mapped.text("blue").matches[0]
    forge(Path(saved.path), halve)
    response = mapped.load("damaged")
    assert code(response) == "IO" and "features_0_lengths" in response.error_msg
    assert revision_of(mapped) == saved.revision
    assert mapped.text("blue").matches[0] == before


def test_parameters(mapped):
    assert mapped.set_parameter("mapper", "queue.capacity", 12).successful
    assert mapped.set_parameter("query", "top_k", 2).successful
    assert len(mapped.text("red").matches) == 2
    refused = mapped.set_parameter("mapper", "fusion.voxel_m", 0.02)
    assert not refused.successful and "unconfigured" in refused.reason
    for name, value in (("queue.capacity", 0), ("refresh.period_s", -1.0)):
        assert not mapped.set_parameter("mapper", name, value).successful
    assert not mapped.set_parameter("mapper", "autostart", False).successful


def test_refreshes_are_canceled_while_they_run_or_wait_and_are_not_piled_up(mapped, frames):
    mapped.clear()
    mapped.stream(frames, shift_ns=60 * SECOND)
    client = ActionClient(mapped.client.node, Refresh, "mapper/refresh")
    mapped.wait(client.server_is_ready, "the action server")

    def send():
        future = client.send_goal_async(Refresh.Goal(force=True))
        mapped.wait(future.done, "the goal to be accepted")
        return future.result()

    with mapped.held():
        goals = [send() for _ in range(5)]
        mapped.wait(lambda: mapped.client.status.busy, "the first refresh")
        answers = [goal.get_result_async() for goal in goals]
        mapped.wait(lambda: all(a.done() for a in answers[2:]), "the answers to the last goals")
        canceled = goals[0].cancel_goal_async()
        mapped.wait(canceled.done, "the cancelation")
        mapped.wait(answers[0].done, "the refresh to end before its time")
        again = send()
        mapped.wait(again.cancel_goal_async().done, "the cancelation")
    answers.append(again.get_result_async())
    mapped.wait(lambda: all(answer.done() for answer in answers), "the results")
    client.destroy()
    codes = [code(answer.result().result) for answer in answers]
    assert codes == ["CANCELED", "NONE", "BUSY", "BUSY", "BUSY", "CANCELED"]
    revision = answers[1].result().result.revision
    mapped.wait(lambda: mapped.client.status.revision == revision, "the new map")


def test_lifecycle_down_and_up_again(mapped, frames):
    for label, state in (("deactivate", "inactive"), ("cleanup", "unconfigured")):
        assert mapped.transition("mapper", label) and mapped.transition("query", label)
        assert mapped.state("mapper") == mapped.state("query") == state
        assert code(mapped.text("red")) == code(mapped.save("x")) == "NOT_ACTIVE"
        assert code(mapped.call(GoalNear, "query/goal_near", instance_id=1)) == "NOT_ACTIVE"
        assert code(refresh_result(mapped)) == "NOT_ACTIVE"
    assert not mapped.transition("mapper", "activate")
    assert mapped.set_parameter("mapper", "fusion.voxel_m", 0.025).successful
    for label in ("configure", "activate"):
        assert mapped.transition("mapper", label) and mapped.transition("query", label)
    mapped.wait(lambda: mapped.client.status.revision == 0, "the counters to start anew")
    assert code(mapped.text("red")) == "NO_MAP"
    mapped.wait_until_ready().stream(frames)
    mapped.refresh()
    assert mapped.text("red").matches[0].id == NAMES.index("red") + 1


def test_a_second_cloud_before_any_frame_replaces_the_first(mapped, frames):
    """Last of all: a cloud is latched, and a mapper that starts later takes it."""
    revision, failed = mapped.clear().revision, []
    for stamp, frame in enumerate(frames[:2], 1):
        cloud = cloud_from_frame(frame)
        mapped.send_cloud(cloud, stamp)
        mapped.wait(lambda r=revision: mapped.client.status.revision > r, "a map of the cloud")
        scene = mapped.client.wait_for_map(mapped.client.status)
        revision = scene.revision
        assert len(scene.cloud) == len(cloud)
        failed.append(mapped.client.status.refreshes_failed)
    assert failed[0] == failed[1]


def revision_of(robot):
    """The revision of the mapper's map now; its status tells that a moment later."""
    return robot.save("now").revision


def revision_in(folder):
    """The revision that a saved map holds."""
    return json.loads((Path(folder) / "map.json").read_text())["revision"]


def refresh_result(robot):
    """The result of a refresh, whatever it is."""
    client = ActionClient(robot.client.node, Refresh, "mapper/refresh")
    robot.wait(client.server_is_ready, "the action server")
    sent = client.send_goal_async(Refresh.Goal())
    robot.wait(sent.done, "the goal to be accepted")
    answer = sent.result().get_result_async()
    robot.wait(answer.done, "the result")
    client.destroy()
    return answer.result().result


def red_picture(encoding="rgb8", step=None) -> Image:
    message = from_pixels(np.full((40, 30, 3), (200, 40, 40), np.uint8), "rgb8", header("", 0))
    message.encoding = encoding
    message.step = message.step if step is None else step
    return message


def red_jpeg() -> CompressedImage:
    import cv2

    pixels = np.full((40, 30, 3), (40, 40, 200), np.uint8)
    return from_jpeg(cv2.imencode(".jpg", pixels)[1].tobytes(), header("", 0))

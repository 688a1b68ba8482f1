"""Answers are light: pictures and markers come on request, and ``~/markers`` shows the newest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.doubles import ColorEncoder
from helpers.robot import Robot, code_name
from helpers.scenes import make_scene
from helpers.worlds import BOXES, tabletop
from om3d.srv import ListInstances
from rclpy.serialization import serialize_message
from visualization_msgs.msg import Marker, MarkerArray

from om3d_core.data.scene_store import save_scene
from om3d_core.data.tables import FeatureTable
from om3d_ros.conversions.stamps import stamp_ns
from om3d_ros.node import qos

INSTANCES, VIEWS, PICTURE_BYTES = 112, 5, 5000
MAX_BYTES = 50_000
SCREEN = 80 * 40


@pytest.fixture(scope="module")
def robot(tmp_path_factory, ros_domain_id):
    with Robot(tmp_path_factory.mktemp("light"), ros_domain_id) as robot:
        yield robot.wait_until_ready()


@pytest.fixture(scope="module")
def mapped(robot):
    """The robot with a map of what its camera saw."""
    robot.stream(tabletop(8, 320, 240))
    robot.refresh()
    return robot


@pytest.fixture
def shown(robot):
    """What RViz gets on ``~/markers``."""
    got = []
    subscription = robot.client.node.create_subscription(
        MarkerArray, "query/markers", got.append, qos.latched()
    )
    yield got
    robot.client.node.destroy_subscription(subscription)


def large_map(folder):
    """Save a map of many instances with pictures as they are on a robot."""
    scene = make_scene(3, INSTANCES, VIEWS, 200_000)
    rng = np.random.default_rng(4)
    means = rng.normal(size=(INSTANCES, VIEWS, 3)) * scene.views.valid[:, :, None]
    means /= np.maximum(np.linalg.norm(means, axis=2, keepdims=True), 1e-9)
    table = FeatureTable.from_means(ColorEncoder().spaces[0], means.astype(np.float32))
    pictures = tuple(
        tuple(rng.bytes(PICTURE_BYTES) for _ in range(int(row.sum()))) for row in scene.views.valid
    )
    save_scene(replace(scene, features=(table,), thumbnails=pictures), folder)


def test_an_answer_about_a_large_map_is_small_unless_more_is_asked_for(mapped):
    large_map(mapped.folder / "maps" / "large")
    back = mapped.save("own")
    mapped.client.wait_for_map(mapped.load("large"))
    light = mapped.text("red")
    heavy = mapped.text("red", include_thumbnails=True, include_markers=True)
    mapped.client.wait_for_map(mapped.load(Path(back.path).name))
    assert len(light.matches) == 5 and len(serialize_message(light)) <= MAX_BYTES
    assert not light.markers.markers
    assert not any(m.thumbnails or m.view_similarities for m in light.matches)
    assert len(serialize_message(heavy)) > MAX_BYTES
    assert [m.id for m in heavy.matches] == [m.id for m in light.matches]


def test_the_call_that_the_readme_shows_prints_about_a_screen(mapped):
    assert len(repr(mapped.text("a white mug", top_k=3))) <= SCREEN


def test_thumbnails_come_with_the_header_of_their_image(mapped):
    for match in mapped.text("red", include_thumbnails=True).matches:
        assert len(match.thumbnails) == len(match.view_similarities) > 0
        for picture in match.thumbnails:
            assert picture.header.frame_id == "camera"
            assert stamp_ns(picture.header.stamp) % 100_000_000 == 0
            assert bytes(picture.data).startswith(b"\xff\xd8")


def test_markers_of_the_newest_answer_are_shown_and_latched(mapped, shown):
    response = mapped.text("green", top_k=3, include_markers=True)
    markers = response.markers.markers
    assert markers[0].action == Marker.DELETEALL
    assert {(m.ns, m.id) for m in markers[1:]} == {
        (ns, match.id) for ns in ("box", "label", "points") for match in response.matches
    }
    mapped.wait(lambda: response.markers in shown, "the markers")
    assert all(stamp_ns(marker.header.stamp) == 0 for marker in markers)
    mapped.text("red", top_k=1)
    mapped.wait(lambda: len(shown[-1].markers) == 4, "the markers of an answer without them")
    late = []
    mapped.client.node.create_subscription(
        MarkerArray, "query/markers", late.append, qos.latched()
    )
    mapped.wait(lambda: late == shown[-1:], "the latched markers")


def test_a_crowd_of_answers_is_shown_by_its_last(mapped, shown):
    mapped.wait(lambda: shown, "the latched markers")
    before = len(shown)
    for _ in range(30):
        mapped.text("red", top_k=1)
    last = mapped.text("blue", top_k=2, include_markers=True)
    mapped.wait(lambda: last.markers == shown[-1], "the markers of the last answer")
    assert len(shown) - before < 30


def test_the_boxes_of_all_instances_are_shown_latched_and_go_with_their_map(mapped):
    mapped.save("all")
    got = []
    subscription = mapped.client.node.create_subscription(
        MarkerArray, "query/instance_markers", got.append, qos.latched()
    )
    mapped.wait(lambda: got and len(got[-1].markers) > 1, "markers")
    ids = {m.id for m in mapped.call(ListInstances, "query/list_instances").map.instances}
    assert {(m.ns, m.id) for m in got[-1].markers[1:]} == {
        (ns, i) for ns in ("box", "name") for i in ids
    }
    mapped.clear()
    mapped.wait(lambda: len(got[-1].markers) == 1, "the markers to be deleted")
    mapped.client.wait_for_map(mapped.load("all"))
    mapped.wait(lambda: len(got[-1].markers) == 1 + 2 * len(ids), "the markers of the new map")
    mapped.client.node.destroy_subscription(subscription)


@pytest.mark.parametrize("change", ["clear", "load"])
def test_no_marker_is_left_of_a_map_that_is_gone(mapped, shown, change):
    mapped.save("home")
    mapped.text("red")
    mapped.wait(lambda: shown and len(shown[-1].markers) > 1, "markers")
    if change == "clear":
        mapped.clear()
        mapped.wait(lambda: code_name(mapped.text("red").error_code) == "NO_MAP", "no map")
    else:
        mapped.client.wait_for_map(mapped.load("home"))
    mapped.wait(lambda: len(shown[-1].markers) == 1, "the markers to be deleted")
    assert shown[-1].markers[0].action == Marker.DELETEALL
    mapped.client.wait_for_map(mapped.load("home"))
    assert mapped.text("red").matches[0].id == list(BOXES).index("red") + 1


def test_escape_sequences_of_a_question_reach_neither_label_nor_error_nor_log(mapped, shown):
    mapped.text("\x1b[2Jgreen\x07\x9b")
    mapped.wait(
        lambda: shown and any("[2Jgreen #" in m.text for m in shown[-1].markers), "the label"
    )
    assert all(m.text.isprintable() for m in shown[-1].markers)
    refused = mapped.text("red", aggregation="\x1b[31mworst")
    assert code_name(refused.error_code) == "INVALID_ARGUMENT"
    assert "[31mworst" in refused.error_msg and refused.error_msg.isprintable()
    log = (mapped.folder / "query.log").read_text()
    assert "[31mworst" in log and "\x1b[31mworst" not in log

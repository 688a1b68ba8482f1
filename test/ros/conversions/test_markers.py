"""Markers of an answer: what was there is deleted, ids are stable, colors follow the rank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.scenes import make_scene
from helpers.worlds import tabletop
from rclpy.serialization import serialize_message
from visualization_msgs.msg import Marker

from om3d_core.data.text import MAX_NAME
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.query.scene_query import SceneQuery
from om3d_core.settings import build
from om3d_ros.conversions.markers import (
    EDGES,
    answer_markers,
    instance_markers,
    no_markers,
    rank_color,
)
from om3d_ros.conversions.stamps import header
from om3d_ros.node.settings import MarkerSettings

HEADER = header("map", 0)


@pytest.fixture(scope="module")
def scene():
    settings = build(MapSettings, {"fusion.voxel_m": 0.03, "views.min_pixels": 10})
    mapper = Mapper(settings, BoxProposer(), [ColorEncoder()])
    for frame in tabletop(6):
        mapper.add_frame(frame)
    return mapper.refresh()


@pytest.fixture(scope="module")
def answer(scene):
    return SceneQuery(scene, ColorEncoder()).text("red", 3)


@pytest.fixture(scope="module")
def matches(answer):
    return answer.matches


@pytest.fixture(scope="module")
def draw(scene, answer):
    def markers(matches, **settings):
        shown = replace(answer, matches=tuple(matches))
        return answer_markers("map", shown, scene, MarkerSettings(**settings)).markers

    return markers


def test_the_first_marker_deletes_all_others(draw, matches):
    assert draw(()) == no_markers("map").markers
    assert draw(())[0].action == Marker.DELETEALL and draw(())[0].header == HEADER
    assert [m.action for m in draw(matches)] == [Marker.DELETEALL] + [Marker.ADD] * 9


def test_each_match_has_a_box_a_label_and_points_under_its_id(draw, matches):
    markers = draw(matches)[1:]
    names = [(m.ns, m.id) for m in markers]
    assert len(set(names)) == len(names)
    assert names == [(ns, m.instance_id) for m in matches for ns in ("box", "label", "points")]
    for marker in markers:
        assert marker.header == HEADER and marker.frame_locked and marker.color.a > 0
        assert np.isclose(np.linalg.norm([getattr(marker.pose.orientation, a) for a in "xyzw"]), 1)


def test_box_lines_are_the_edges_of_the_box(draw, matches):
    marker = draw(matches)[1]
    ends = np.array([[p.x, p.y, p.z] for p in marker.points]).reshape(-1, 2, 3)
    assert len(ends) == len(EDGES) == 12
    steps = ends[:, 1] - ends[:, 0]
    assert ((np.abs(steps) > 1e-9).sum(axis=1) == 1).all()
    lengths = sorted(np.abs(steps).max(axis=1))
    assert np.allclose(lengths, sorted(np.repeat(matches[0].box.size, 4)))
    assert len({tuple(sorted(map(tuple, edge))) for edge in ends.tolist()}) == 12


def test_points_are_those_of_the_instance_thinned_evenly(scene, draw, matches):
    members = scene.masks[matches[0].index]
    whole = draw(matches, max_points=1_000_000)[3]
    assert len(whole.points) == len(members)
    few = draw(matches, max_points=10)[3]
    assert 5 <= len(few.points) <= 10
    assert few.points[0] == whole.points[0]
    assert all(m.ns != "points" for m in draw(matches, max_points=0))


def test_colors_follow_the_rank_and_fade_for_what_is_absent(draw, matches):
    present = [replace(m, present=True) for m in matches]
    colors = [m.color for m in draw(present)[1:] if m.ns == "box"]
    assert colors == [rank_color(rank) for rank in (1, 2, 3)]
    absent = [replace(m, present=False) for m in matches]
    assert draw(absent)[1].color.a < colors[0].a
    assert draw(absent)[2].text.startswith("1: red #2 ")
    assert "not present" in draw(absent)[2].text


@pytest.mark.parametrize(
    ("verdict", "said"), [("ambiguous", "(one of 3)"), ("not_understood", "(not understood)")]
)
def test_a_label_tells_the_verdict(scene, answer, verdict, said):
    match = replace(answer.matches[0], present=verdict == "ambiguous")
    told = replace(answer, verdict=verdict, n_matching=3, matches=(match,))
    markers = answer_markers("map", told, scene, MarkerSettings()).markers
    assert markers[2].text.endswith(said)


def test_a_question_cannot_steer_the_terminal_that_its_label_is_printed_in(scene, answer):
    asked = replace(answer, query="\x1b[31mred\x1b[0m\x07 \x9b2J mug\nbox")
    markers = answer_markers("map", asked, scene, MarkerSettings()).markers
    texts = [marker.text for marker in markers if marker.text]
    assert len(texts) == 3
    assert all("[31mred [0m 2J mug box" in text and text.isprintable() for text in texts)


def shown_of(scene, **settings):
    boxes = dict(zip(scene.ids.tolist(), scene.boxes, strict=True))
    return instance_markers("map", scene, boxes, MarkerSettings(**settings))


def named(scene, **settings):
    """Boxes and names of all instances by namespace and id; each begins with DELETEALL."""
    first, *markers = shown_of(scene, **settings).markers
    assert [first] == no_markers("map").markers
    found = {(marker.ns, marker.id): marker for marker in markers}
    assert len(found) == len(markers)
    return found


def test_every_instance_has_its_box_and_its_label_or_its_id_for_a_name():
    """The last of the scene is a wall, of which there is no box."""
    scene = make_scene(n=5)
    markers = named(scene)
    assert set(markers) == {(ns, i) for ns in ("box", "name") for i in scene.ids.tolist()[:-1]}
    assert [markers["name", i].text for i in (5, 6, 7, 8)] == ["a", "#6", "chair", "#8"]
    for i, box in zip(scene.ids.tolist()[:-1], scene.boxes, strict=False):
        lines, name = markers["box", i], markers["name", i]
        ends = np.array([[p.x, p.y, p.z] for p in lines.points])
        assert lines.type == Marker.LINE_LIST and len(ends) == 2 * len(EDGES)
        assert np.allclose(np.ptp(ends, axis=0), box.size)
        assert np.allclose([lines.pose.position.x, lines.pose.position.y], box.center[:2])
        over = name.pose.position.z - (box.center[2] + box.size[2] / 2)
        assert name.type == Marker.TEXT_VIEW_FACING and 0 < over <= name.scale.z
        assert lines.color == name.color and lines.color.a == 1.0
        assert lines.header == name.header == HEADER and lines.frame_locked and name.frame_locked
    assert named(replace(scene, revision=9, ids=scene.ids + 1))["box", 7].color == (
        markers["box", 7].color
    )


def test_names_stand_below_the_label_of_an_answer(scene, draw, matches):
    settings = MarkerSettings()
    (match,) = matches[:1]
    label, name = draw([match])[2], named(scene)["name", match.instance_id]
    between = label.pose.position.z - name.pose.position.z
    assert between >= 0.4 * (label.scale.z + name.scale.z)
    assert label.scale.z == settings.text_height_m


def test_names_are_printable_and_of_bounded_length():
    scene = make_scene()
    odd = replace(scene, labels=("\x1b[2J mug\n", "b" * 10_000, " ", "c"))
    texts = [marker.text for marker in named(odd).values() if marker.text]
    assert texts == ["[2J mug", "b" * MAX_NAME, "#7"]


def test_of_many_instances_the_largest_are_shown_in_bounded_bytes():
    scene = make_scene(n=300, points=2000)
    some = named(scene, max_instances=20)
    assert len(some) == 40
    sizes = dict(zip(scene.ids.tolist(), scene.masks.sizes.tolist(), strict=True))
    assert min(sizes[i] for _, i in some) >= max(
        sizes[i] for i in scene.ids.tolist()[:-1] if ("box", i) not in some
    )
    assert len(serialize_message(shown_of(scene, max_instances=20))) < 20 * 2000
    assert not named(scene, max_instances=0)

"""Markers of an answer: what was there is deleted, ids are stable, colors follow the rank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.worlds import tabletop
from visualization_msgs.msg import Marker

from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.query.scene_query import SceneQuery
from om3d_core.settings import build
from om3d_ros.conversions.markers import EDGES, answer_markers, no_markers, rank_color
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


def test_a_question_cannot_steer_the_terminal_that_its_label_is_printed_in(scene, answer):
    asked = replace(answer, query="\x1b[31mred\x1b[0m\x07 \x9b2J mug\nbox")
    markers = answer_markers("map", asked, scene, MarkerSettings()).markers
    texts = [marker.text for marker in markers if marker.text]
    assert len(texts) == 3
    assert all("[31mred [0m 2J mug box" in text and text.isprintable() for text in texts)

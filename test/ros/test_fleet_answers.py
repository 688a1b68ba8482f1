"""What a query node answers about several maps: whose a match is, and what each map was."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.colored_maps import colored_scene
from helpers.doubles import ColorEncoder
from helpers.ground import room
from helpers.ground_messages import ground_message
from helpers.robot import code_name
from om3d.srv import GoalNear, ListInstances, QueryImage, QueryText
from std_msgs.msg import Header

from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import SettingsError
from om3d_core.query.settings import QuerySettings
from om3d_ros import query_encoders
from om3d_ros.conversions.images import from_pixels
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import to_update
from om3d_ros.conversions.stamps import header, stamp_ns
from om3d_ros.freshness import Freshness
from om3d_ros.goal_near import GoalsNear
from om3d_ros.node.outcomes import FrameError, NoMapError, NotFoundError
from om3d_ros.node.settings import QueryNodeSettings
from om3d_ros.query_session import Answering

MAPS = {"a/mapper": ("red", "map"), "b/mapper": ("green", "map"), "c/mapper": ("blue", "cellar")}
FIRST = 5


class Log:
    """Nothing is to be warned of."""

    def info(self, text, **options):
        pass

    def warning(self, text, **options):
        raise AssertionError(text)


def update_of(name, revision=1):
    color, frame = MAPS[name]
    scene = colored_scene(color, frame, revision)
    return to_update(None, MapParts.of(scene), header(frame, revision))


@pytest.fixture
def fleet(monkeypatch):
    """Three maps whose mappers live; ``fleet.freshness`` is of each."""
    monkeypatch.setattr(query_encoders, "encoder_of_space", lambda *_: ColorEncoder())
    freshness = {name: Freshness() for name in MAPS}
    made = Answering(QueryNodeSettings(), QuerySettings(), EncoderSettings(), freshness, Log())
    for name in MAPS:
        freshness[name].count(1)
        made.take_update(update_of(name), name)
    made.freshness = freshness
    yield made
    made.close()


def text(fleet, text, **fields):
    return fleet.text(QueryText.Request(text=text, **fields), QueryText.Response())


def listed(fleet, **fields):
    return fleet.list(ListInstances.Request(**fields), ListInstances.Response())


@pytest.mark.parametrize("name", MAPS)
def test_a_match_tells_its_map_and_its_frame(fleet, name):
    color, frame = MAPS[name]
    response = text(fleet, color, top_k=4)
    best = response.matches[0]
    assert (best.map, best.frame_id, best.id) == (name, frame, FIRST)
    assert response.present and best.present and not response.stale
    assert [m.rank for m in response.matches] == [1, 2, 3, 4]
    assert len({(m.map, m.id) for m in response.matches}) == 4
    told = [(s.name, s.frame_id, s.map_id, s.revision, s.stale) for s in response.searched]
    assert told == [
        (name, frame, str(i) * 32, 1, False) for i, (name, (_, frame)) in enumerate(MAPS.items())
    ]
    assert (response.map_id, response.revision) == ("", 0)


def test_a_picture_is_looked_for_in_all_maps(fleet):
    image = from_pixels(np.full((4, 4, 3), (60, 60, 200), np.uint8), "rgb8", Header())
    best = fleet.image(QueryImage.Request(image=image), QueryImage.Response()).matches[0]
    assert (best.map, best.id) == ("c/mapper", FIRST)


def test_the_frame_of_an_answer_is_that_of_all_matches_or_none(fleet):
    assert text(fleet, "red", top_k=9).header.frame_id == ""
    response = text(fleet, "red", top_k=1)
    assert response.header.frame_id == "map" and len(response.matches) == 1


def test_one_map_can_be_asked(fleet):
    response = text(fleet, "red", map="b/mapper")
    assert not response.present and {m.map for m in response.matches} == {"b/mapper"}
    assert [told.name for told in response.searched] == ["b/mapper"]
    assert (response.map_id, response.revision) == ("1" * 32, 1)
    assert stamp_ns(response.header.stamp) == 1


@pytest.mark.parametrize("ask", [lambda f: text(f, "red", map="d"), lambda f: listed(f, map="d"),
                                 lambda f: f.find(FIRST, "", "d")])
def test_an_unknown_map_is_not_found_and_the_known_ones_are_named(fleet, ask):
    with pytest.raises(NotFoundError, match=r"\(a/mapper, b/mapper, c/mapper\), got 'd'"):
        ask(fleet)


def test_a_map_that_is_lost_or_has_not_come_is_told_and_the_others_answer(fleet):
    fleet.take_update(to_update(None, MapParts.empty("9" * 32), header("map", 2)), "b/mapper")
    fleet.freshness["c/mapper"].count(0)
    response = text(fleet, "red")
    assert response.stale and response.matches[0].map == "a/mapper"
    told = {one.name: one for one in response.searched}
    assert [told[name].stale for name in MAPS] == [False, False, True]
    assert code_name(told["b/mapper"].error_code) == "NO_MAP" and not told["b/mapper"].map_id
    assert "none yet" in told["b/mapper"].error_msg and not told["c/mapper"].error_msg
    warnings = fleet.health(True).warnings
    assert warnings["b/mapper: map"] == "b/mapper: no map yet"
    assert warnings["c/mapper: stale"].startswith("c/mapper: the map is stale")
    assert set(warnings) == {"b/mapper: map", "c/mapper: stale"}
    values = fleet.health(True).values
    assert [values[f"{name}: revision"] for name in MAPS] == [1, 0, 1]
    with pytest.raises(NoMapError):
        text(fleet, "red", map="b/mapper")
    instances = listed(fleet)
    assert [len(one.instances) for one in instances.maps] == [3, 0, 3]
    assert code_name(instances.searched[1].error_code) == "NO_MAP" and instances.stale


def test_what_is_wrong_with_the_question_itself_is_an_error(fleet):
    fleet._logger.warning = lambda text, **options: None
    with pytest.raises(SettingsError, match="worst"):
        text(fleet, "red", aggregation="worst")


def test_instances_are_listed_by_map_with_their_views(fleet):
    response = listed(fleet, include_thumbnails=True, include_structure=True)
    assert [one.header.frame_id for one in response.maps] == ["map", "map", "cellar"]
    assert [one.map_id for one in response.maps] == [told.map_id for told in response.searched]
    ids = [instance.id for one in response.maps for instance in one.instances]
    assert [views.id for views in response.views] == ids and not response.map.map_id
    alone = listed(fleet, map="c/mapper")
    assert alone.map.header.frame_id == "cellar" and not alone.maps


def test_markers_of_equal_ids_do_not_collide_and_stand_in_their_frame(fleet):
    response = text(fleet, "red", top_k=9, include_markers=True)
    for markers in (response.markers, fleet.markers(), fleet.instance_markers()):
        first, *others = markers.markers
        assert first.action == first.DELETEALL
        assert all(marker.action == marker.ADD for marker in others)
        assert len({(m.ns, m.id) for m in others}) == len(others) >= 18
        for marker in others:
            name, _, kind = marker.ns.rpartition("/")
            assert marker.header.frame_id == MAPS[name][1]
            assert kind in {"box", "label", "points", "name"}
    assert fleet.markers() is None and fleet.instance_markers() is None


def test_markers_go_with_their_map_alone(fleet):
    text(fleet, "red", top_k=9)
    fleet.markers(), fleet.instance_markers()
    fleet.take_update(to_update(None, MapParts.empty("9" * 32), header("map", 2)), "a/mapper")
    for markers in (fleet.markers(), fleet.instance_markers()):
        assert {m.ns.rpartition("/")[0] for m in markers.markers[1:]} == {"b/mapper", "c/mapper"}


def test_the_instance_to_go_to_is_of_a_map_in_the_frame_of_the_grid(fleet):
    fleet.apply(QueryNodeSettings(), QuerySettings(present_threshold=0.1))
    found = fleet.find(0, "green")
    assert (found.about.name, int(found.about.scene.ids[found.row])) == ("b/mapper", FIRST)
    with pytest.raises(NotFoundError, match="expected 'blue' in the map, got none"):
        fleet.find(0, "blue")
    assert fleet.find(0, "blue", "c/mapper").about.name == "c/mapper"
    assert fleet.find(FIRST, "", "b/mapper").about.name == "b/mapper"
    with pytest.raises(NotFoundError, match="whose instance_id it is, one of a/mapper, b/mapper"):
        fleet.find(FIRST, "")
    fleet.apply(QueryNodeSettings(map_frame="attic"), QuerySettings())
    with pytest.raises(FrameError, match="'attic'.*among a/mapper, b/mapper, c/mapper"):
        fleet.find(0, "green")


def test_a_goal_tells_the_map_and_one_in_another_frame_is_refused(fleet):
    goals = GoalsNear(QueryNodeSettings(), fleet, Log())
    goals.take_grid(ground_message(room(12, 12, origin_m=(-6.0, -6.0, 0.0))))
    response = goals.answer(
        GoalNear.Request(instance_id=FIRST, map="a/mapper"), GoalNear.Response()
    )
    assert (response.map, response.instance_id) == ("a/mapper", FIRST)
    with pytest.raises(FrameError, match="'cellar'"):
        goals.answer(GoalNear.Request(instance_id=FIRST, map="c/mapper"), GoalNear.Response())

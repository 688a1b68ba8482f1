"""What the query node holds of the maps that came and went."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import ColorEncoder
from helpers.scenes import make_scene
from om3d.srv import QueryText
from std_msgs.msg import Header

from om3d_core.data.tables import FeatureTable
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.query.settings import QuerySettings
from om3d_ros import query_encoders
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import to_update
from om3d_ros.freshness import Freshness
from om3d_ros.node.settings import MarkerSettings, QueryNodeSettings
from om3d_ros.query_session import Answering

MAPS = 6


class Log:
    """Nothing is to be told."""

    def info(self, text, **options):
        pass

    def warning(self, text, **options):
        raise AssertionError(text)


@pytest.fixture
def answering(monkeypatch):
    monkeypatch.setattr(query_encoders, "encoder_of_space", lambda *_: ColorEncoder())
    answering = Answering(
        QueryNodeSettings(), QuerySettings(), EncoderSettings(), {"": Freshness()}, Log()
    )
    yield answering
    answering.close()


@pytest.fixture
def living(monkeypatch):
    """The scenes that were made of messages and are still held, without collections."""
    born, make = [], MapParts.scene

    def note(parts):
        scene = make(parts)
        born.append(weakref.ref(scene))
        return scene

    monkeypatch.setattr(MapParts, "scene", note)
    gc.disable()
    yield lambda: sum(ref() is not None for ref in born)
    gc.enable()


def parts(revision):
    """A map that the encoder above filled."""
    scene = make_scene(seed=revision)
    rows = np.zeros((*scene.views.valid.shape, 3), np.float32)
    rows[..., revision % 3] = scene.views.valid
    table = FeatureTable.from_means(ColorEncoder().spaces[0], rows)
    scene = replace(scene, revision=revision, map_id="0" * 32, features=(table,))
    return MapParts.of(scene)


def update_to(revision):
    """What makes a map of the revision before, or all of the first."""
    base = parts(revision - 1) if revision > 1 else None
    return to_update(base, parts(revision), Header(frame_id="map"))


def test_maps_that_were_replaced_are_freed_at_once(answering, living):
    for revision in range(1, MAPS + 1):
        answering.take_update(update_to(revision))
        response = answering.text(QueryText.Request(text="red"), QueryText.Response())
        assert response.matches and response.revision == revision
        answering.markers()
        answering.instance_markers()
        assert living() == 1


def test_markers_of_instances_come_once_a_revision_and_setting_and_go_with_the_map(answering):
    def shown():
        markers = answering.instance_markers()
        return None if markers is None else len(markers.markers)

    assert (shown(), shown()) == (1, None)
    for revision in (1, 2):
        answering.take_update(update_to(revision))
        assert (shown(), shown()) == (7, None)
    assert "boxes" not in vars(answering.maps[""].current.scene)
    few = MarkerSettings(max_instances=1)
    for markers, expected in ((few, 3), (MarkerSettings(max_instances=0), 1), (few, 3)):
        answering.apply(QueryNodeSettings(markers=markers), QuerySettings())
        assert (shown(), shown()) == (expected, None)
    answering.take_update(to_update(None, MapParts.empty("1" * 32), Header(frame_id="map")))
    assert (shown(), shown()) == (1, None)


def test_a_map_with_a_box_that_is_none_is_refused(answering):
    update = update_to(1)
    update.changed[0].box_size.x = float("nan")
    with pytest.raises(AssertionError, match="expected finite x, y, z"):
        answering.take_update(update)

"""The encoders of the query node: loaded beside questions, once each, or a clear error."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from helpers.doubles import ColorEncoder

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import ModelError
from om3d_ros import query_encoders
from om3d_ros.node.worker import BusyError
from om3d_ros.query_encoders import QueryEncoders

BOTH = FeatureSpace("color@1", 3, True, True, encoder="color")
TEXT = FeatureSpace("color@1", 3, True, False, "text model", "color")
PICTURES = FeatureSpace("color@2", 3, False, True, "picture model", "color")


class Log:
    def __init__(self):
        self.lines = []

    def info(self, text, **options):
        self.lines.append(text)

    warning = info


class Loader:
    """Stands in for ``encoder_of_space``; loads nothing while it is held."""

    def __init__(self):
        self.loaded = []
        self.free = threading.Event()
        self.free.set()
        self.fails = None

    def __call__(self, space, settings):
        assert self.free.wait(20)
        self.loaded.append(space.source or space.encoder)
        if self.fails is not None:
            raise self.fails
        return ColorEncoder(int(space.name[-1]))


@pytest.fixture
def loader(monkeypatch):
    loader = Loader()
    monkeypatch.setattr(query_encoders, "encoder_of_space", loader)
    return loader


@pytest.fixture
def encoders(loader):
    encoders = QueryEncoders(EncoderSettings(), 20.0, Log())
    yield encoders
    loader.free.set()
    encoders.close()


def wait_for(done):
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_loading_begins_with_the_map_and_happens_once(encoders, loader):
    texts = encoders.for_map([BOTH])
    wait_for(lambda: loader.loaded == ["color"])
    assert encoders.for_map([BOTH]) is texts
    assert texts.vector("red", "color@1").tolist() == [1, 0, 0]
    picture = np.full((4, 4, 3), (200, 60, 60), np.uint8)
    assert texts.encoder.encode_images([picture])["color@1"][0].tolist() == [1, 0, 0]
    assert loader.loaded == ["color"] and not encoders.complaints()


def test_a_question_waits_for_an_encoder_that_loads(encoders, loader):
    loader.free.clear()
    texts = encoders.for_map([BOTH])
    threading.Timer(0.3, loader.free.set).start()
    assert encoders.complaints() == ["the encoder of color@1 is loading"]
    assert texts.vector("green", "color@1").tolist() == [0, 1, 0]


def test_a_question_is_told_when_it_takes_too_long_and_answered_later(encoders, loader):
    loader.free.clear()
    encoders.wait_s = 0.2
    texts = encoders.for_map([BOTH])
    with pytest.raises(BusyError, match="color@1 has been loading .*encoder_wait_s"):
        texts.vector("red", "color@1")
    start = time.monotonic()
    with pytest.raises(BusyError):
        texts.vector("red", "color@1")
    assert time.monotonic() - start < 0.15
    loader.free.set()
    wait_for(lambda: not encoders.complaints())
    assert texts.vector("red", "color@1").tolist() == [1, 0, 0]
    assert loader.loaded == ["color"]


def test_each_kind_of_question_waits_for_its_own_encoder_alone(encoders, loader):
    texts = encoders.for_map([PICTURES, TEXT])
    assert texts.vector("blue", "color@1").tolist() == [0, 0, 1]
    picture = np.full((4, 4, 3), (60, 200, 60), np.uint8)
    assert texts.encoder.encode_images([picture])["color@2"][0].tolist() == [0, 1, 0]
    assert loader.loaded == ["text model", "picture model"]


def test_what_does_not_load_is_told_and_tried_again_with_the_next_question(encoders, loader):
    loader.fails = ModelError("clip.model: a/b is not on this machine")
    texts = encoders.for_map([BOTH])
    wait_for(lambda: "does not load: clip.model: a/b" in " ".join(encoders.complaints()))
    encoders.for_map([BOTH])
    for tries in (2, 3):
        with pytest.raises(ModelError, match="a/b is not on this machine"):
            texts.vector("red", "color@1")
        assert len(loader.loaded) == tries
    loader.fails = None
    assert texts.vector("red", "color@1").tolist() == [1, 0, 0]
    assert not encoders.complaints()


def test_a_map_in_other_spaces_has_other_encoders_and_an_empty_one_keeps_them(encoders, loader):
    first = encoders.for_map([TEXT])
    assert first.vector("red", "color@1") is not None
    encoders.for_map([])
    assert encoders.for_map([TEXT]).vector("red", "color@1") is not None
    assert loader.loaded == ["text model"]
    assert encoders.for_map([BOTH]).vector("red", "color@1") is not None
    assert encoders.for_map([TEXT]).vector("red", "color@1") is not None
    assert loader.loaded == ["text model", "color", "text model"]


def test_encoders_are_kept_while_any_map_needs_them_and_texts_are_shared(encoders, loader):
    ours, theirs = encoders.for_map([TEXT], "a"), encoders.for_map([TEXT], "b")
    assert ours is theirs and ours.vector("red", "color@1") is not None
    assert encoders.for_map([BOTH], "a").vector("red", "color@1") is not None
    assert encoders.for_map([TEXT], "b") is theirs
    assert theirs.vector("green", "color@1") is not None
    assert loader.loaded == ["text model", "color"]
    assert encoders.for_map([BOTH], "b") is not theirs
    assert encoders.for_map([TEXT], "b").vector("red", "color@1") is not None
    assert loader.loaded == ["text model", "color", "text model"]


def test_a_model_that_changed_in_its_place_is_loaded_again(encoders, loader):
    encoders.for_map([BOTH])
    wait_for(lambda: not encoders.complaints())
    changed = encoders.for_map([FeatureSpace("color@3", 3, True, False, encoder="color")])
    assert changed.vector("red", "color@3").tolist() == [1, 0, 0]
    assert loader.loaded == ["color", "color"]


def test_no_question_waits_for_a_node_that_is_shut_down(encoders, loader):
    texts = encoders.for_map([BOTH])
    wait_for(lambda: not encoders.complaints())
    encoders.close()
    with pytest.raises(BusyError, match="stopped"):
        texts.vector("red", "color@1")

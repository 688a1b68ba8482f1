"""When a map is stale: from the loss of a mapper until a map was received after it."""

from __future__ import annotations

import pytest

from om3d_ros.freshness import Freshness


@pytest.fixture
def fresh():
    """A map of one living mapper was received."""
    freshness = Freshness()
    freshness.subscribed()
    freshness.count(1)
    freshness.received()
    assert not freshness.stale
    return freshness


def test_a_map_that_is_heard_before_its_mapper_is_fresh_once_that_is():
    freshness = Freshness()
    freshness.subscribed()
    freshness.received()
    assert freshness.stale
    freshness.count(1)
    assert not freshness.stale


def test_a_new_mapper_does_not_make_the_map_of_a_lost_one_fresh(fresh):
    fresh.count(0)
    assert fresh.stale
    fresh.count(1)
    assert fresh.stale
    fresh.received()
    assert not fresh.stale


def test_of_two_mappers_it_is_not_known_which_is_lost(fresh):
    assert not fresh.count(2) and not fresh.stale
    assert fresh.count(1) and fresh.stale
    fresh.subscribed()
    assert fresh.stale
    fresh.received()
    assert not fresh.stale


def test_the_topics_are_subscribed_to_anew_once_after_each_loss(fresh):
    for _ in range(2):
        assert not fresh.count(0)
        assert fresh.count(1)
        fresh.subscribed()
        assert not fresh.count(1) and not fresh.count(2)
        fresh.received()
        assert not fresh.stale
        assert fresh.count(1)
        fresh.subscribed()

"""What a planner is told of the objects of a map, and when they leave it."""

from __future__ import annotations

import sys

import pytest

from om3d_core.errors import SettingsError
from om3d_ros.collision_objects import CollisionObjects
from om3d_ros.conversions.solids import Solid
from om3d_ros.node.settings import MoveitSettings
from om3d_ros.planning_scene import PlanningScenePublisher

MUG = Solid((1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 1.0), (0.1, 0.1, 0.1), "mug")
MOVED = MUG._replace(center=(1.1, 2.0, 3.0))


def test_only_what_is_new_or_changed_is_put():
    objects = CollisionObjects(keep_s=5.0)
    assert objects.update({"a": MUG}, 0.0, False).put == {"a": MUG}
    assert not objects.update({"a": MUG}, 1.0, False)
    assert objects.update({"a": MUG, "b": MUG}, 2.0, False).put == {"b": MUG}
    assert objects.update({"a": MOVED, "b": MUG}, 3.0, False).put == {"a": MOVED}
    assert objects.held == {"a": MOVED, "b": MUG}


def test_what_is_gone_is_kept_for_a_while_and_may_come_back():
    objects = CollisionObjects(keep_s=5.0)
    objects.update({"a": MUG, "b": MUG}, 0.0, False)
    assert not objects.update({"b": MUG}, 10.0, False)
    assert not objects.update({"b": MUG}, 12.0, False) and "a" in objects.held
    assert not objects.update({"a": MUG, "b": MUG}, 14.0, False)
    assert not objects.update({"b": MUG}, 15.0, False)
    assert not objects.expire(19.9)
    assert objects.expire(20.0).gone == ("a",)
    assert not objects.expire(30.0) and list(objects.held) == ["b"]


def test_a_map_that_is_begun_anew_takes_what_is_not_in_it_at_once():
    objects = CollisionObjects(keep_s=5.0)
    objects.update({"a": MUG, "b": MUG}, 0.0, False)
    change = objects.update({"b": MOVED}, 1.0, True)
    assert (change.put, change.gone) == ({"b": MOVED}, ("a",))
    assert objects.remove_all().gone == ("b",)
    assert not objects.remove_all() and not objects.held


def test_without_moveit_msgs_the_parameter_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "moveit_msgs.msg", None)
    with pytest.raises(SettingsError, match=r"moveit.enabled: expected .* moveit_msgs"):
        PlanningScenePublisher(None, MoveitSettings(enabled=True))

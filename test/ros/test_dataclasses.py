"""Data of the ROS side that hold arrays are compared by identity."""

from __future__ import annotations

from helpers.dataclass_walk import compared_by_arrays, dataclasses_of

from om3d_ros.replay import Replayed


def test_what_holds_arrays_is_compared_by_identity():
    assert Replayed in dataclasses_of("om3d_ros")
    assert compared_by_arrays("om3d_ros") == []

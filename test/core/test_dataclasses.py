"""Data that hold arrays are compared by identity: an array's ``==`` is no truth value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from helpers.dataclass_walk import compared_by_arrays, dataclasses_of, holds_arrays

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.scene import Scene


@dataclass(frozen=True)
class Within:
    parts: dict[str, tuple[npt.NDArray[np.float64] | None, ...]]


@pytest.mark.parametrize(
    ("kind", "holds"), [(Within, True), (Scene, True), (FeatureSpace, False), (int, False)]
)
def test_arrays_are_found_however_deep(kind, holds):
    assert holds_arrays(kind) == holds


def test_what_holds_arrays_is_compared_by_identity():
    assert Scene in dataclasses_of("om3d_core")
    assert compared_by_arrays("om3d_core") == []

"""What a room holds: labeled instances in its frame (z up, origin on the floor's middle)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from om3d_core.synthetic.assets import Model
from om3d_core.synthetic.mesh import MeshPart, bounds


@dataclass(frozen=True, eq=False)
class Instance:
    """One thing with an id; parts are in the room's frame [m].

    structure: floor, wall or ceiling. supported_by: id of what it stands on or hangs from, or 0.
    """

    id: int
    class_name: str
    parts: tuple[MeshPart, ...]
    structure: bool = False
    supported_by: int = 0

    @cached_property
    def box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The corners of its axis-aligned box [m]."""
        return bounds(self.parts)


@dataclass(frozen=True, eq=False)
class Surface:
    """A horizontal rectangle that objects may stand on.

    low, high: (2,) corners [m]. z: its height. ceiling_z: the height of what is above it.
    kind: table, counter, top (any other) or floor. owner: the instance id.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    z: float
    ceiling_z: float
    kind: str
    owner: int


@dataclass(frozen=True, eq=False)
class Room:
    """The shell and the furniture; size (3,) is the room's inner size [m], centered at x = y = 0.

    table: corners (2, 2) of the table in the middle.
    """

    size: NDArray[np.float64]
    instances: tuple[Instance, ...]
    surfaces: tuple[Surface, ...]
    table: NDArray[np.float64]


def moved(model: Model, room_from_model: NDArray[np.float64]) -> tuple[MeshPart, ...]:
    """The parts of a model placed in the room."""
    return tuple(part.transformed(room_from_model) for part in model.parts)


def overlap(box_a: tuple[NDArray[np.float64], NDArray[np.float64]],
            boxes: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
            margin_m: float) -> bool:
    """Whether a box comes closer than ``margin_m`` to one of ``boxes`` on every axis."""
    low, high = box_a
    return any(bool((low < other_high + margin_m).all() and (high > other_low - margin_m).all())
               for other_low, other_high in boxes)

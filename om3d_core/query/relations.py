"""How well things stand in a relation, 0..1, by their boxes and what carries them.

Directions are those of whoever looks: "left of the cabinet" is left for one who faces the cabinet
from the viewpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box, level_frame
from om3d_core.errors import expect

Doubles = npt.NDArray[np.float64]

TOUCH_M = 0.06
"""Height within which two things touch, with the noise of depth."""
NEAR_M = 0.9
"""Gap at which near is as true as not."""
FAR_M = 1.5
WALL_M = (0.35, 1.0)
"""A thing thinner and taller than this is one that others are hung on."""
HUNG_M = 0.15
REACH_M = 3.5
"""Gap at which a direction counts half."""


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """Whose left and right are meant.

    position: (3,) meters in the map frame. forward: (3,) unit vector where one looks, None if it
    is not known. name: as it is called in explanations.
    """

    position: Doubles
    forward: Doubles | None = None
    name: str = "the viewpoint"

    def __post_init__(self) -> None:
        for name, value in (("position", self.position), ("forward", self.forward)):
            if value is not None:
                expect(value.shape == (3,) and bool(np.isfinite(value).all()),
                       f"a finite {name} (3,) of the viewpoint", value)


@dataclass(frozen=True, eq=False)
class Places:
    """Upright boxes of n things in the level frame, meters.

    center: (n, 2). axes: (n, 2, 2) unit rows along the sides. half: (n, 2) half lengths of these.
    bottom, top: (n,) heights. level_from_map: (3, 3).
    """

    center: Doubles
    axes: Doubles
    half: Doubles
    bottom: Doubles
    top: Doubles
    level_from_map: Doubles

    @classmethod
    def of(cls, boxes: Sequence[Box], up: Doubles) -> Places:
        """The places of boxes whose third axis is ``up`` (3,)."""
        level_from_map = level_frame(up).T
        centers = np.array([box.center for box in boxes]).reshape(-1, 3) @ level_from_map.T
        turned = [(level_from_map @ box.map_from_box)[:2, :2].T for box in boxes]
        half = np.array([box.size / 2 for box in boxes]).reshape(-1, 3)
        return cls(
            centers[:, :2], np.array(turned).reshape(-1, 2, 2), half[:, :2],
            centers[:, 2] - half[:, 2], centers[:, 2] + half[:, 2], level_from_map,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.center)

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> Places:
        return Places(self.center[rows], self.axes[rows], self.half[rows], self.bottom[rows],
                      self.top[rows], self.level_from_map)  # fmt: skip

    @property
    def middle(self) -> Doubles:
        """(n, 3) centers in the level frame."""
        return np.column_stack([self.center, (self.bottom + self.top) / 2])

    @property
    def volume(self) -> Doubles:
        """(n,) of the boxes, at least a cubic millimeter."""
        result: Doubles = np.maximum(4 * self.half.prod(axis=1) * (self.top - self.bottom), 1e-9)
        return result


def relation(kind: str, a: Places, b: Places, viewpoint: Viewpoint) -> Doubles:
    """(n, m) how far thing i of ``a`` stands in the relation to thing j of ``b``.

    Raises :class:`KeyError` for a kind that takes no one anchor.
    """
    return _RELATIONS[kind](a, b, viewpoint)


def between(a: Places, b: Places, c: Places) -> Doubles:
    """(n, m) how far thing i of ``a`` is between thing j of ``b`` and thing j of ``c``."""
    start, way = b.middle, c.middle - b.middle
    length = np.maximum(np.linalg.norm(way, axis=1), 1e-6)
    offset = a.middle[:, None] - start[None]
    along = (offset * way).sum(axis=2) / length**2
    aside = np.linalg.norm(offset - along[:, :, None] * way, axis=2)
    inside = _ramp(0.5 - np.abs(along - 0.5), 0.0, 0.15)
    result: Doubles = inside * np.exp(-((aside / (0.25 * length)) ** 2))
    return result


def of_viewpoint(kind: str, a: Places, viewpoint: Viewpoint) -> Doubles | None:
    """(n,) how far the things are near, left, right, in front of or behind who looks.

    None where that takes a direction of view that is not known.
    """
    offset = a.middle - a.level_from_map @ viewpoint.position
    distance = np.linalg.norm(offset, axis=1)
    if kind in {"near", "at"}:
        near: Doubles = 1 / (1 + (distance / (2 * NEAR_M)) ** 3)
        return near
    if kind == "far":
        return _ramp(distance, FAR_M, 2 * FAR_M)
    if viewpoint.forward is None or kind not in {"left", "right", "front", "behind"}:
        return None
    forward = (a.level_from_map @ viewpoint.forward)[:2]
    forward = forward / max(float(np.linalg.norm(forward)), 1e-9)
    right = np.array([forward[1], -forward[0]])
    way = {"left": -right, "right": right, "front": forward, "behind": -forward}[kind]
    return _ramp(offset[:, :2] @ way / np.maximum(distance, 1e-6), 0.2, 0.7)


def rank_value(kind: str, a: Places, viewpoint: Viewpoint) -> Doubles:
    """(n,) what the superlative of that name compares; the largest value wins."""
    offset = a.middle - a.level_from_map @ viewpoint.position
    if kind in {"nearest", "farthest"}:
        distance: Doubles = np.linalg.norm(offset, axis=1)
        return distance if kind == "farthest" else -distance
    if kind in {"leftmost", "rightmost"}:
        forward = (a.center - (a.level_from_map @ viewpoint.position)[:2]).mean(axis=0)
        if viewpoint.forward is not None:
            forward = (a.level_from_map @ viewpoint.forward)[:2]
        bearing = np.arctan2(offset[:, 1], offset[:, 0]) - np.arctan2(forward[1], forward[0])
        leftward: Doubles = (bearing + np.pi) % (2 * np.pi) - np.pi
        return leftward if kind == "leftmost" else -leftward
    height, width = a.top - a.bottom, 2 * a.half.max(axis=1)
    values = {
        "largest": a.volume, "smallest": -a.volume, "large": a.volume, "small": -a.volume,
        "tallest": height, "shortest": -height, "tall": height, "short": -height,
        "widest": width, "narrowest": -width, "wide": width, "narrow": -width,
        "highest": a.top, "lowest": -a.bottom,
    }  # fmt: skip
    compared: Doubles = values[kind]
    return compared


def gaps(a: Places, b: Places) -> tuple[Doubles, Doubles]:
    """(n, m) horizontal and vertical gap between the boxes, negative by how far they overlap.

    The horizontal one is that along the best of the four sides: not more than the distance.
    """
    offset = b.center[None] - a.center[:, None]
    horizontal = np.full(offset.shape[:2], -np.inf)
    for axes, first in ((a.axes, True), (b.axes, False)):
        for side in range(2):
            axis = axes[:, side][:, None] if first else axes[:, side][None]
            reach = _reach(a.axes[:, None], a.half[:, None], axis)
            reach = reach + _reach(b.axes[None], b.half[None], axis)
            horizontal = np.maximum(horizontal, np.abs((offset * axis).sum(axis=2)) - reach)
    below, above = a.bottom[:, None] - b.top[None], b.bottom[None] - a.top[:, None]
    return horizontal, np.maximum(below, above)


def distances(a: Places, b: Places) -> Doubles:
    """(n, m) gap between the boxes in meters, 0 where they overlap."""
    horizontal, vertical = gaps(a, b)
    result: Doubles = np.hypot(np.maximum(horizontal, 0), np.maximum(vertical, 0))
    return result


def same_place(a: Places, b: Places) -> Doubles:
    """(n, m) part of the smaller box that lies in the other."""
    area = np.maximum(_shared_area(a, b), _shared_area(b, a).T)
    volume = area * _shared_height(a, b)
    smaller = np.minimum(a.volume[:, None], b.volume[None])
    result: Doubles = np.minimum(volume / smaller, 1)
    return result


def _reach(axes: Doubles, half: Doubles, axis: Doubles) -> Doubles:
    """Half the length of rectangles along an axis."""
    projections = np.abs(np.einsum("...ij,...j->...i", axes, axis))
    result: Doubles = (projections * half).sum(axis=-1)
    return result


def _near(a: Places, b: Places, _: Viewpoint) -> Doubles:
    result: Doubles = 1 / (1 + (distances(a, b) / NEAR_M) ** 3)
    return result


def _far(a: Places, b: Places, _: Viewpoint) -> Doubles:
    return _ramp(distances(a, b), FAR_M / 2, 2 * FAR_M)


def _on(a: Places, b: Places, _: Viewpoint) -> Doubles:
    """On its top, on a board of it, or hung on it where it is a wall."""
    over = _part_over(a, b)
    lift = a.bottom[:, None] - b.top[None]
    on_top = np.exp(-((lift / TOUCH_M) ** 2))
    taller = (b.top - b.bottom)[None] > (a.top - a.bottom)[:, None]
    on_board = (a.bottom[:, None] > b.bottom[None] + TOUCH_M) & (lift < 0) & taller
    wall = (2 * b.half.min(axis=1) < WALL_M[0]) & (b.top - b.bottom > WALL_M[1])
    gap = np.maximum(gaps(a, b)[0], 0)
    hung = np.exp(-((gap / HUNG_M) ** 2)) * _ramp(a.bottom[:, None] - b.bottom[None], 0.1, 0.4)
    result: Doubles = np.where(wall[None], hung, over * np.maximum(on_top, 0.9 * on_board))
    return result


def _in(a: Places, b: Places, _: Viewpoint) -> Doubles:
    height = np.maximum((a.top - a.bottom)[:, None], 1e-6)
    inside = _part_over(a, b) * np.clip(_shared_height(a, b) / height, 0, 1)
    smaller = a.volume[:, None] < b.volume[None]
    return _ramp(inside, 0.2, 0.7) * smaller


def _under(a: Places, b: Places, viewpoint: Viewpoint) -> Doubles:
    """Below what covers it, or carrying it."""
    middle = ((a.bottom + a.top) / 2)[:, None]
    lower = _ramp(b.top[None] - middle, 0.0, 0.2) * (a.bottom[:, None] < b.bottom[None] + 0.1)
    carrying = _on(b, a, viewpoint).T
    result: Doubles = np.maximum(_ramp(_part_over(a, b), 0.1, 0.5) * lower, carrying)
    return result


def _above(a: Places, b: Places, _: Viewpoint) -> Doubles:
    lift = a.bottom[:, None] - b.top[None]
    return _ramp(_part_over(a, b), 0.1, 0.5) * _ramp(lift, -2 * TOUCH_M, 0.0)


def _at(a: Places, b: Places, viewpoint: Viewpoint) -> Doubles:
    parts = [_near(a, b, viewpoint), _on(a, b, viewpoint), _in(a, b, viewpoint)]
    result: Doubles = np.maximum.reduce(parts)
    return result


def _sideways(a: Places, b: Places, viewpoint: Viewpoint, turn: int) -> Doubles:
    """In the direction that is ``turn`` quarters to the left of the way from the viewpoint."""
    way = b.center - (b.level_from_map @ viewpoint.position)[:2]
    way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    for _ in range(turn):
        way = np.column_stack([-way[:, 1], way[:, 0]])
    offset = a.center[:, None] - b.center[None]
    length = np.maximum(np.linalg.norm(offset, axis=2), 1e-6)
    along = (offset * way[None]).sum(axis=2) / length
    result: Doubles = _ramp(along, 0.2, 0.7) / (1 + (distances(a, b) / REACH_M) ** 2)
    return result


def _part_over(a: Places, b: Places) -> Doubles:
    """(n, m) part of the footprint of ``a`` that is over that of ``b``."""
    area = np.maximum(4 * a.half.prod(axis=1), 1e-6)[:, None]
    result: Doubles = np.clip(_shared_area(a, b) / area, 0, 1)
    return result


def _shared_area(a: Places, b: Places) -> Doubles:
    """(n, m) overlap of the footprints, those of ``a`` boxed along the sides of ``b``."""
    offset = a.center[:, None] - b.center[None]
    shared = np.ones(offset.shape[:2])
    area = np.ones(offset.shape[:2])
    for side in range(2):
        axis = b.axes[:, side][None]
        middle, other = (offset * axis).sum(axis=2), b.half[:, side][None]
        reach = _reach(a.axes[:, None], a.half[:, None], axis)
        overlap = np.minimum(middle + reach, other) - np.maximum(middle - reach, -other)
        shared *= np.clip(overlap, 0, None)
        area *= np.maximum(2 * reach, 1e-6)
    own = np.maximum(4 * a.half.prod(axis=1), 1e-6)[:, None]
    result: Doubles = shared * own / area
    return result


def _shared_height(a: Places, b: Places) -> Doubles:
    top = np.minimum(a.top[:, None], b.top[None])
    result: Doubles = np.clip(top - np.maximum(a.bottom[:, None], b.bottom[None]), 0, None)
    return result


def _ramp(value: Doubles, low: float, high: float) -> Doubles:
    """0 up to ``low``, 1 from ``high`` on."""
    result: Doubles = np.clip((value - low) / (high - low), 0, 1)
    return result


_RELATIONS: dict[str, Callable[[Places, Places, Viewpoint], Doubles]] = {
    "near": _near,
    "far": _far,
    "on": _on,
    "in": _in,
    "under": _under,
    "above": _above,
    "at": _at,
    "carrying": lambda a, b, v: _on(b, a, v).T,
    "containing": lambda a, b, v: _in(b, a, v).T,
    "behind": lambda a, b, v: _sideways(a, b, v, 0),
    "left": lambda a, b, v: _sideways(a, b, v, 1),
    "front": lambda a, b, v: _sideways(a, b, v, 2),
    "right": lambda a, b, v: _sideways(a, b, v, 3),
}

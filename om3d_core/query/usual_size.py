"""How well the size of an instance fits the thing that is asked for.

An encoder sees crops, in which a table and a box on it are equally large; the map knows meters.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import level_frame
from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.encoders.phrases import clean_prompt, thing_in
from om3d_core.query.calibration import calibration_of
from om3d_core.query.things import usual_sizes_m

Doubles = npt.NDArray[np.float64]
DIRECTIONS = 12
POINTS_MEASURED = 1000
AT_A_TIME = 1000


class UsualSizes:
    """How well the sizes of a scene's instances fit; they are measured for the first question."""

    def __init__(self, scene: Scene, *, used: bool):
        self._scene = scene
        self._used = used

    def fit(self, text: str, space: str) -> Doubles:
        """(N,) as :func:`size_fit`; 1 where the calibration of the space has no use for sizes."""
        if not (self._used and text and calibration_of(space).size):
            return np.ones(len(self._scene))
        return size_fit(text, self._longest_m)

    @cached_property
    def _longest_m(self) -> Doubles:
        return longest_sides_m(self._scene.cloud, self._scene.masks, self._scene.up)


def size_fit(text: str, longest_m: Doubles) -> Doubles:
    """(N,) in 0..1, 1 where the longest side (N,) [m] is usual for what ``text`` asks for.

    Something twice as large as is usual gets a quarter, as it is another thing; something half as
    large gets a half, as it may be a part of the thing. 1 for things of which no size is known.
    """
    table = usual_sizes_m()
    thing = thing_in(clean_prompt(text), table)
    if thing is None:
        return np.ones(len(longest_m))
    return sizes_fit(np.array([table[thing]]), longest_m)[:, 0]


def sizes_fit(usual_m: Doubles, longest_m: Doubles) -> Doubles:
    """(N, V) as :func:`size_fit`, of longest sides (N,) with those usual for V things (V, 2)."""
    size, (low, high) = np.maximum(longest_m, 1e-6)[:, None], usual_m.reshape(-1, 2).T
    result: Doubles = np.minimum(high / size, 1.0) ** 2 * np.minimum(size / low, 1.0)
    return result


def longest_sides_m(cloud: Cloud, masks: InstanceMasks, up: Doubles) -> Doubles:
    """(N,) meters, the longest side of each instance's upright box; 0 for one without points.

    The yaw of the box is that of the shortest such side, in steps of a quarter turn's sixth. It is
    measured on a thousand or two points of an instance that has more; no other one counts, to
    the last bit.
    """
    result, held = np.zeros(len(masks)), np.flatnonzero(masks.sizes)
    for begin in range(0, len(held), AT_A_TIME):
        rows = held[begin : begin + AT_A_TIME]
        steps = np.maximum(masks.sizes[rows] // POINTS_MEASURED, 1)
        chosen = [masks[int(i)][::step] for i, step in zip(rows, steps, strict=True)]
        points = cloud.points[np.concatenate(chosen)].astype(np.float64)
        starts = np.cumsum([0, *map(len, chosen[:-1])])
        spans = np.stack([_spans(_along(points, axis), starts) for axis in _axes(up)])
        level = spans[:-1].reshape(2, DIRECTIONS // 2, -1).max(axis=0).min(axis=0)
        result[rows] = np.maximum(level, spans[-1])
    return result


def _along(points: Doubles, axis: Doubles) -> Doubles:
    """(P,) where points lie along an axis; unlike in a BLAS call no other point counts."""
    result: Doubles = points[:, 0] * axis[0] + points[:, 1] * axis[1] + points[:, 2] * axis[2]
    return result


def _spans(along: Doubles, starts: npt.NDArray[np.int64]) -> Doubles:
    """The extent of each run of values that begins at ``starts``."""
    spans: Doubles = np.maximum.reduceat(along, starts) - np.minimum.reduceat(along, starts)
    return spans


def _axes(up: Doubles) -> Doubles:
    """(D + 1, 3) level directions over half a turn, those of its quarters side by side, and up."""
    frame = level_frame(up)
    angles = np.arange(DIRECTIONS) * (np.pi / DIRECTIONS)
    level = np.cos(angles)[:, None] * frame[:, 0] + np.sin(angles)[:, None] * frame[:, 1]
    return np.concatenate([level, up[None]])

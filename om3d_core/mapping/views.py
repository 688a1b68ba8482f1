"""Each instance's views: what every keyframe saw of it, and which of them to keep.

Frames are ranked by visible pixels; from the best ``preselection`` of them, ``top_k`` are chosen
by visibility alone or for the variety of their angles. The tables hold counts and boxes a
(frame, instance), never pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.tables import ViewTable
from om3d_core.mapping.visibility import Observation
from om3d_core.settings import Settings, setting

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ViewSettings(Settings):
    """How many views an instance keeps, and which."""

    top_k: int = setting(5, "views kept of each instance", low=1, high=64)
    selection: str = setting(
        "bearing",
        "visible: the most visible; diverse: camera rotations far apart, as in the code of"
        " OpenMask3D++; farthest: rotations far from the most visible view's, as in its paper;"
        " bearing: directions from which the instance is seen far apart",
        choices=("visible", "diverse", "farthest", "bearing"),
    )
    preselection: int = setting(
        10, "most visible frames among which views are chosen for variety", low=1, high=1000
    )
    min_pixels: int = setting(
        50, "fewest visible pixels for a frame to be a view; with 0, frames that see nothing take"
        " part in the selection and are dropped after it, as in OpenMask3D++",
        low=0, high=100_000,
    )
    min_share: float = setting(
        0.4, "fewest visible pixels of a view chosen by bearing, as a part of the best view's",
        low=0.0, high=1.0,
    )
    repeat: bool = setting(
        False, "let the diverse selection take a view again when no other is farther, as in"
        " OpenMask3D++",
    )


@dataclass(frozen=True, eq=False)
class Cameras:
    """The poses of F frames and the centers of N instances, in the map frame.

    rotations: (F, 3, 3) map_from_camera. positions: (F, 3) meters. centers: (N, 3) meters.
    """

    rotations: Array
    positions: Array
    centers: Array


def select_views(
    stamps: npt.NDArray[np.int64],
    observations: Sequence[Observation],
    cameras: Cameras,
    settings: ViewSettings,
) -> ViewTable:
    """The chosen views of each instance, the most visible first, packed to the front.

    stamps: (F,) ascending; observations: one a frame. Equal counts go to the earlier frame.
    """
    n = len(observations[0].pixels) if observations else 0
    table = ViewTable.empty(n, settings.top_k)
    if not n:
        return table
    pixels = np.stack([o.pixels for o in observations])
    boxes = np.stack([o.boxes for o in observations])
    for i, chosen in enumerate(choose_frames(pixels, cameras, settings)):
        frames = chosen[pixels[chosen, i] > 0]
        m = len(frames)
        table.stamps[i, :m] = stamps[frames]
        table.pixels[i, :m] = pixels[frames, i]
        table.boxes[i, :m] = boxes[frames, i]
    return table


def choose_frames(
    pixels: npt.NDArray[np.int32], cameras: Cameras, settings: ViewSettings
) -> list[Indices]:
    """For each instance the frame indices chosen from ``pixels`` (F, N), at most ``top_k``."""
    wanted = settings.top_k if settings.selection == "visible" else settings.preselection
    order = np.argsort(-pixels, axis=0, kind="stable")[:wanted]
    result = []
    for i in range(pixels.shape[1]):
        candidates = order[:, i][pixels[order[:, i], i] >= settings.min_pixels]
        if settings.selection == "bearing" and len(candidates):
            floor = settings.min_share * pixels[candidates[0], i]
            candidates = candidates[pixels[candidates, i] >= floor]
        result.append(candidates[_pick(candidates, i, cameras, settings)])
    return result


def choose_among(
    views: ViewTable, stamps: npt.NDArray[np.int64], cameras: Cameras, settings: ViewSettings
) -> Indices:
    """(N, top_k) columns of ``views`` that ``settings`` would have chosen, -1 where none is.

    stamps: (F,) ascending, of all frames that ``cameras`` describe. The result is that of
    :func:`choose_frames` on all frames if ``views`` holds the ``preselection`` most visible ones;
    chosen frames that see nothing have no column.
    """
    n, k = views.stamps.shape
    instance, column = np.nonzero(views.valid)
    frame = np.searchsorted(stamps, views.stamps[instance, column])
    pixels = np.zeros((len(stamps), n), np.int32)
    pixels[frame, instance] = views.pixels[instance, column]
    column_of = np.full((len(stamps), n), -1, np.int64)
    column_of[frame, instance] = column
    result = np.full((n, settings.top_k), -1, np.int64)
    for i, frames in enumerate(choose_frames(pixels, cameras, settings) if n else []):
        columns = column_of[frames, i]
        columns = columns[columns >= 0]
        result[i, : len(columns)] = columns
    return result


def _pick(candidates: Indices, instance: int, cameras: Cameras, s: ViewSettings) -> Indices:
    """Positions within ``candidates`` of the chosen views."""
    if s.selection == "visible" or not len(candidates):
        return np.arange(min(s.top_k, len(candidates)))
    if s.selection == "bearing":
        distance = bearing_angles(cameras.positions[candidates], cameras.centers[instance])
    else:
        distance = rotation_angles(cameras.rotations[candidates])
    if s.selection == "farthest":
        return farthest_from_first(distance, s.top_k)
    return max_min(distance, s.top_k, repeat=s.repeat and s.selection == "diverse")


def rotation_angles(rotations: Array) -> Array:
    """(n, n) geodesic angles in radians between rotations (n, 3, 3)."""
    trace = np.einsum("iab,jab->ij", rotations, rotations)
    result: Array = np.arccos(np.clip((trace - 1) / 2, -1.0, 1.0))
    return result


def bearing_angles(positions: Array, center: Array) -> Array:
    """(n, n) angles in radians between the directions from ``center`` (3,) to ``positions``."""
    rays = positions - center
    rays = rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-9)
    result: Array = np.arccos(np.clip(rays @ rays.T, -1.0, 1.0))
    return result


def max_min(distance: Array, k: int, *, repeat: bool = False) -> Indices:
    """Greedy farthest-point choice of ``k`` rows from row 0, ties to the first.

    Without ``repeat`` a row is taken once, and fewer than ``k`` come back if there are no more.
    """
    chosen = [0]
    nearest = distance[0].copy()
    while len(chosen) < (k if repeat else min(k, len(distance))):
        if not repeat:
            nearest[chosen[-1]] = -1.0
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, distance[chosen[-1]])
    return np.array(chosen, np.int64)


def farthest_from_first(distance: Array, k: int) -> Indices:
    """Row 0 and the ``k - 1`` rows farthest from it, ties to the first."""
    rest = 1 + np.argsort(-distance[0, 1:], kind="stable")[: k - 1]
    return np.concatenate([[0], rest]).astype(np.int64)

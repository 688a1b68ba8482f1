"""What the keyframes see of the instances; what did not change is not looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.keyframes import FrameKey, KeyframeStore
from om3d_core.mapping.set_aside import blaming
from om3d_core.mapping.tracking import Digests
from om3d_core.mapping.visibility import (
    Observation,
    VisibilitySettings,
    observe,
    visible_pixels,
)
from om3d_core.progress import Job

Rows = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Depth = npt.NDArray[np.float32]
Corners = npt.NDArray[np.float64]
SLACK_PX, SLACK_M = 2.0, 0.05
"""By how much a view is taken for wider and deeper than it is, beyond all rounding."""
AT_ONCE = 16
"""Frames that are held at a time."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a frame sees of each instance, and how far it sees."""

    key: FrameKey
    far_m: float
    instances: Observation


@dataclass(frozen=True, eq=False)
class _Table:
    """What each frame sees, by stamp, of the instances with ``digests``, and the corners
    (N, 8, 3) of the boxes around these."""

    digests: Digests
    corners: Corners
    seen: dict[int, _Seen]


class Sightings:
    """Keeps a table of frames and instances, of which only what is new is looked at.

    An instance is known by the digest of its points, so that one that a refresh proposes again
    costs nothing, nor do frames whose view no new instance is in, nor instances that no new frame
    reaches. looks: how many pairs of a frame and an instance were looked at so far.
    """

    def __init__(self, settings: VisibilitySettings):
        self._settings = settings
        self._table = _Table((), np.zeros((0, 8, 3)), {})
        self.looks = 0

    def update(
        self, frames: KeyframeStore, cloud: Cloud, masks: InstanceMasks, digests: Digests,
        job: Job,
    ) -> list[Observation]:
        """What each of the ``frames`` sees of each of the masks, by ascending stamp.

        digests: those of the masks' points (:func:`~om3d_core.mapping.tracking.digests_of`).
        A cancel, or a frame that fails, leaves what was known.
        """
        stamps, n = frames.stamps, len(masks)
        old_row = {digest: row for row, digest in enumerate(self._table.digests)}
        origin = np.array([old_row.get(digest, -1) for digest in digests], np.int64)
        old, new = np.flatnonzero(origin >= 0), np.flatnonzero(origin < 0)
        corners = np.zeros((n, 8, 3))
        corners[old] = self._table.corners[origin[old]]
        corners[new] = _corners(cloud, masks, new)
        seen: dict[int, _Seen] = {}
        unknown, points = [], None
        for stamp in stamps:
            known = self._table.seen.get(stamp)
            if known is None or known.key != frames.key(stamp):
                unknown.append(stamp)
                continue
            job.step("views", len(seen), len(stamps))
            parts = [(old, known.instances.of(origin[old]))]
            if self._reached(frames, stamp, known.far_m, corners[new]).any():
                points = points or _Points.of(cloud, masks, new)
                with blaming(stamp):
                    depth = frames.depth(stamp)
                    parts.append((new, self._look(frames, stamp, depth, points)))
            seen[stamp] = _Seen(known.key, known.far_m, _joined(n, parts))
        reached, points = np.zeros(n, bool), None
        for start in range(0, len(unknown), AT_ONCE):
            job.step("views", len(seen), len(stamps))
            held = self._load(frames, unknown[start : start + AT_ONCE])
            for stamp, (_, far_m) in held.items():
                reached |= self._reached(frames, stamp, far_m, corners)
            rows = np.flatnonzero(reached)
            if points is None or len(rows) > len(points.masks):
                points = _Points.of(cloud, masks, rows)
            for stamp, (depth, far_m) in held.items():
                with blaming(stamp):
                    looked = _joined(n, [(rows, self._look(frames, stamp, depth, points))])
                seen[stamp] = _Seen(frames.key(stamp), far_m, looked)
        self._table = _Table(digests, corners, seen)
        return [seen[stamp].instances for stamp in stamps]

    def _load(self, frames: KeyframeStore, stamps: list[int]) -> dict[int, tuple[Depth, float]]:
        """The depth of frames by stamp, and how far each sees."""
        held = {}
        for stamp in stamps:
            with blaming(stamp):
                depth = frames.depth(stamp)
            held[stamp] = depth, float(depth.max())
        return held

    def _reached(
        self, frames: KeyframeStore, stamp: int, far_m: float, corners: Corners
    ) -> Bools:
        """(N,) whether the view of a frame reaches each of the boxes; sure where it says no."""
        s = self._settings
        if not (s.require_front and s.require_depth):
            return np.ones(len(corners), bool)
        camera_from_map = np.linalg.inv(frames.pose(stamp))
        in_camera = corners @ camera_from_map[:3, :3].T + camera_from_map[:3, 3]
        k, (x, y, z) = frames.intrinsics(stamp), np.moveaxis(in_camera, 2, 0)
        outside = [
            z < -SLACK_M, z > far_m + s.depth_tolerance_m + SLACK_M,
            k.fx * x + (k.cx + SLACK_PX) * z < 0,
            k.fx * x + (k.cx - k.width - SLACK_PX) * z > 0,
            k.fy * y + (k.cy + SLACK_PX) * z < 0,
            k.fy * y + (k.cy - k.height - SLACK_PX) * z > 0,
        ]  # fmt: skip
        reached: Bools = ~np.any([side.all(axis=1) for side in outside], axis=0)
        return reached

    def _look(
        self, frames: KeyframeStore, stamp: int, depth: Depth, points: _Points
    ) -> Observation:
        self.looks += len(points.masks)
        k = frames.intrinsics(stamp)
        pixels = visible_pixels(points.points, depth, k, frames.pose(stamp), self._settings)
        return observe(pixels, points.masks, k.width, k.height, self._settings.count)


@dataclass(frozen=True, eq=False)
class _Points:
    """The points of some instances, and their masks over them."""

    points: npt.NDArray[np.float32]
    masks: InstanceMasks

    @classmethod
    def of(cls, cloud: Cloud, masks: InstanceMasks, rows: Rows) -> _Points:
        held, local = masks.select(rows).compact()
        return cls(cloud.points[held], local)


def _corners(cloud: Cloud, masks: InstanceMasks, rows: Rows) -> Corners:
    """(len(rows), 8, 3) corners of the boxes around some instances."""
    corners = []
    for i in rows.tolist():
        points = cloud.points[masks[i]]
        ends = np.stack([points.min(axis=0), points.max(axis=0)])
        corners.append(np.stack(np.meshgrid(*ends.T), -1).reshape(8, 3))
    return np.array(corners, np.float64).reshape(-1, 8, 3)


def _joined(n: int, parts: Sequence[tuple[Rows, Observation]]) -> Observation:
    """What is seen of ``n`` instances, of which each part tells of some rows; else nothing."""
    pixels, boxes = np.zeros(n, np.int32), np.zeros((n, 4), np.int32)
    for rows, part in parts:
        pixels[rows], boxes[rows] = part.pixels, part.boxes
    return Observation(pixels, boxes)

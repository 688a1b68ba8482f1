"""What the keyframes see of the instances; what did not change is not looked at again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.keyframes import FrameKey, KeyframeStore
from om3d_core.mapping.set_aside import blaming
from om3d_core.mapping.tracking import digests_of
from om3d_core.mapping.visibility import (
    Observation,
    VisibilitySettings,
    observe,
    visible_pixels,
)
from om3d_core.progress import Job

Rows = npt.NDArray[np.int64]
SLACK_PX, SLACK_M = 2.0, 0.05
"""By how much a view is taken for wider and deeper than it is, beyond all rounding."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a frame sees of each instance, and how far it sees."""

    key: FrameKey
    far_m: float
    instances: Observation


@dataclass(frozen=True, eq=False)
class _Table:
    """What each frame sees, by stamp, of the instances with ``digests``."""

    digests: tuple[bytes, ...]
    seen: dict[int, _Seen]


class Sightings:
    """Keeps a table of frames and instances, of which only what is new is looked at.

    An instance is known by the digest of its points, so that one that a refresh proposes again
    costs nothing, nor do frames whose view no new instance is in. looks: how many pairs of a frame
    and an instance were looked at so far.
    """

    def __init__(self, settings: VisibilitySettings):
        self._settings = settings
        self._table = _Table((), {})
        self.looks = 0

    def update(
        self, frames: KeyframeStore, cloud: Cloud, masks: InstanceMasks, job: Job
    ) -> list[Observation]:
        """What each of the ``frames`` sees of each of the masks, by ascending stamp.

        A cancel, or a frame that fails, leaves what was known.
        """
        digests = digests_of(cloud, masks)
        old_row = {digest: row for row, digest in enumerate(self._table.digests)}
        origin = np.array([old_row.get(digest, -1) for digest in digests], np.int64)
        new = np.flatnonzero(origin < 0)
        stamps, seen = frames.stamps, dict[int, _Seen]()
        whole, part = None, _Points.of(cloud, masks, new)
        for done, stamp in enumerate(stamps):
            job.step("views", done, len(stamps))
            known = self._table.seen.get(stamp)
            with blaming(stamp):
                if known is None or known.key != frames.key(stamp):
                    whole = whole or _Points.of(cloud, masks, np.arange(len(masks)))
                    seen[stamp] = self._look_at_all(frames, stamp, whole)
                else:
                    fresh = None
                    if len(new) and self._may_show(frames, stamp, known.far_m, part):
                        fresh = self._look(frames[stamp], part)
                    rows = _joined(known.instances, origin, new, fresh)
                    seen[stamp] = _Seen(known.key, known.far_m, rows)
        self._table = _Table(digests, seen)
        return [seen[stamp].instances for stamp in stamps]

    def _look_at_all(self, frames: KeyframeStore, stamp: int, points: _Points) -> _Seen:
        frame = frames[stamp]
        return _Seen(frames.key(stamp), float(frame.depth.max()), self._look(frame, points))

    def _may_show(
        self, frames: KeyframeStore, stamp: int, far_m: float, points: _Points
    ) -> bool:
        """Whether the view of a frame reaches the box of an instance; sure where it says no."""
        s = self._settings
        if not (s.require_front and s.require_depth):
            return True
        camera_from_map = np.linalg.inv(frames.pose(stamp))
        corners = points.corners @ camera_from_map[:3, :3].T + camera_from_map[:3, 3]
        k, (x, y, z) = frames.intrinsics(stamp), np.moveaxis(corners, 2, 0)
        outside = [
            z < -SLACK_M, z > far_m + s.depth_tolerance_m + SLACK_M,
            k.fx * x + (k.cx + SLACK_PX) * z < 0,
            k.fx * x + (k.cx - k.width - SLACK_PX) * z > 0,
            k.fy * y + (k.cy + SLACK_PX) * z < 0,
            k.fy * y + (k.cy - k.height - SLACK_PX) * z > 0,
        ]  # fmt: skip
        return not bool(np.any([side.all(axis=1) for side in outside], axis=0).all())

    def _look(self, frame: Frame, points: _Points) -> Observation:
        self.looks += len(points.masks)
        pixels = visible_pixels(
            points.points, frame.depth, frame.intrinsics, frame.map_from_camera, self._settings
        )
        size = frame.intrinsics.width, frame.intrinsics.height
        return observe(pixels, points.masks, *size, self._settings.count)


@dataclass(frozen=True, eq=False)
class _Points:
    """The points of some instances, their masks over them, and the corners (N, 8, 3) of the
    boxes around each."""

    points: npt.NDArray[np.float32]
    masks: InstanceMasks
    corners: npt.NDArray[np.float64]

    @classmethod
    def of(cls, cloud: Cloud, masks: InstanceMasks, rows: Rows) -> _Points:
        chosen = masks.select(rows)
        held = np.unique(chosen.indices)
        local = np.searchsorted(held, chosen.indices).astype(np.int32)
        ends = [
            np.stack([points.min(axis=0), points.max(axis=0)])
            for points in (cloud.points[chosen[i]] for i in range(len(chosen)))
        ]
        corners = np.array([np.stack(np.meshgrid(*end.T), -1).reshape(8, 3) for end in ends])
        return cls(
            cloud.points[held],
            InstanceMasks(chosen.indptr, local, chosen.scores, chosen.structure, len(held)),
            corners.astype(np.float64).reshape(-1, 8, 3),
        )


def _joined(
    old: Observation, origin: Rows, new: Rows, fresh: Observation | None
) -> Observation:
    """The rows of ``old`` in the order ``origin``; at ``new`` those of ``fresh``, else nothing."""
    n = len(origin)
    pixels, boxes = np.zeros(n, np.int32), np.zeros((n, 4), np.int32)
    known = origin >= 0
    pixels[known], boxes[known] = old.pixels[origin[known]], old.boxes[origin[known]]
    if fresh is not None:
        pixels[new], boxes[new] = fresh.pixels, fresh.boxes
    return Observation(pixels, boxes)

"""What the keyframes see of the instances; what did not change is not looked at again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.keyframes import FrameKey, KeyframeStore
from om3d_core.mapping.set_aside import blaming
from om3d_core.mapping.visibility import (
    Observation,
    VisibilitySettings,
    observe,
    visible_pixels,
)
from om3d_core.progress import Job

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Table:
    """What each frame sees: its key and the pixels and boxes of the instances with ``digests``."""

    digests: tuple[bytes, ...]
    seen: dict[int, tuple[FrameKey, Observation]]


class Sightings:
    """Keeps a table of frames and instances; a row is looked at when it or its frame is new.

    An instance is known by the digest of its points, so that one that a refresh proposes again
    costs nothing. looks: how many pairs of a frame and an instance were looked at so far.
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
        digests = tuple(_digests(cloud, masks))
        old_row = {digest: row for row, digest in enumerate(self._table.digests)}
        origin = np.array([old_row.get(digest, -1) for digest in digests], np.int64)
        new = np.flatnonzero(origin < 0)
        every = np.arange(len(digests))
        stamps, seen = frames.stamps, {}
        whole, part = _Points.of(cloud, masks, every), _Points.of(cloud, masks, new)
        for done, stamp in enumerate(stamps):
            job.step("views", done, len(stamps))
            key = frames.key(stamp)
            known = self._table.seen.get(stamp)
            with blaming(stamp):
                if known is None or known[0] != key:
                    seen[stamp] = key, self._look(frames[stamp], whole)
                elif len(new):
                    fresh = self._look(frames[stamp], part)
                    seen[stamp] = key, _joined(known[1], origin, new, fresh)
                else:
                    seen[stamp] = key, _joined(known[1], origin)
        self._table = _Table(digests, seen)
        return [seen[stamp][1] for stamp in stamps]

    def _look(self, frame: Frame, points: _Points) -> Observation:
        self.looks += len(points.masks)
        pixels = visible_pixels(
            points.points, frame.depth, frame.intrinsics, frame.map_from_camera, self._settings
        )
        size = frame.intrinsics.width, frame.intrinsics.height
        return observe(pixels, points.masks, *size, self._settings.count)


@dataclass(frozen=True, eq=False)
class _Points:
    """The points of some instances and their masks over them."""

    points: npt.NDArray[np.float32]
    masks: InstanceMasks

    @classmethod
    def of(cls, cloud: Cloud, masks: InstanceMasks, rows: Rows) -> _Points:
        chosen = masks.select(rows)
        held = np.unique(chosen.indices)
        local = np.searchsorted(held, chosen.indices).astype(np.int32)
        return cls(
            cloud.points[held],
            InstanceMasks(chosen.indptr, local, chosen.scores, chosen.structure, len(held)),
        )


def _digests(cloud: Cloud, masks: InstanceMasks) -> Iterable[bytes]:
    for i in range(len(masks)):
        points = cloud.points[masks[i]]
        yield hashlib.blake2b(points.tobytes(), digest_size=16).digest()


def _joined(
    old: Observation, origin: Rows, new: Rows | None = None, fresh: Observation | None = None
) -> Observation:
    """The rows of ``old`` in the order ``origin``, and those of ``fresh`` at ``new``."""
    if not len(old.pixels):
        old = Observation(np.zeros(1, np.int32), np.zeros((1, 4), np.int32))
    pixels, boxes = old.pixels[origin], old.boxes[origin]
    if new is not None and fresh is not None:
        pixels[new], boxes[new] = fresh.pixels, fresh.boxes
    return Observation(pixels, boxes)

"""Features and thumbnails of the chosen views; a crop is encoded once, however often it is asked.

What was encoded is remembered by what the crops show, for a while beyond its last use: masks come
and go while a map grows. The memory grows with the map and not with time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.encoders.base import Encoder
from om3d_core.formats.image_files import shrink_color
from om3d_core.mapping.crops import (
    CropSettings,
    cut,
    fade_background,
    fade_outside,
    multi_level_boxes,
    snap_box,
)
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.visibility import VisibilitySettings, visible_pixels
from om3d_core.progress import Job
from om3d_core.segmenters.base import Segmenter
from om3d_core.segmenters.prompts import mask_box

CROPS_A_BATCH = 48
# Views remembered for each that the map uses.
REMEMBERED = 4
THUMBNAIL_SIDE_PX = 192
THUMBNAIL_QUALITY = 85
THUMBNAIL_MARGIN = CropSettings(levels=2, expansion_ratio=0.3)

Key = tuple[int | str, ...]


@dataclass(frozen=True, eq=False)
class EncodedView:
    """The mean (D,) over the crops of one view by space name, and its JPEG thumbnail."""

    means: dict[str, npt.NDArray[np.float32]]
    thumbnail: bytes


@dataclass(frozen=True, eq=False)
class Encoded:
    """What :meth:`Embedder.encode` returns; ``n_encoded`` counts the crops that were new."""

    tables: tuple[FeatureTable, ...]
    thumbnails: tuple[tuple[bytes, ...], ...]
    n_encoded: int


@dataclass(frozen=True, eq=False)
class _Pending:
    key: Key
    crops: list[npt.NDArray[np.uint8]]
    thumbnail: bytes


@dataclass(frozen=True, eq=False)
class _Sight:
    """An instance in a frame: its box, and the flat indices of the pixels that show it, where
    something is made of them."""

    box: npt.NDArray[np.int32]
    pixels: npt.NDArray[np.int32] | None = None

    def key(self, stamp: int) -> Key:
        """What the crops depend on."""
        key: Key = (stamp, *map(int, self.box))
        if self.pixels is None:
            return key
        return (*key, hashlib.sha256(self.pixels.tobytes()).hexdigest())


class Embedder:
    """Encodes views by any number of encoders and remembers the results.

    A ``segmenter`` replaces the box of the visible points by that of a 2D mask, where it has one.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        crops: CropSettings,
        visibility: VisibilitySettings,
        segmenter: Segmenter | None = None,
    ):
        self._encoders = encoders
        self._crops = crops
        self._visibility = visibility
        self._segmenter = segmenter
        self._cache: dict[Key, EncodedView] = {}

    def encode(
        self, views: ViewTable, frames: KeyframeStore, cloud: Cloud, masks: InstanceMasks, job: Job
    ) -> Encoded:
        """Features and thumbnails of all valid ``views``.

        The job may cancel between batches; what was encoded until then is remembered.
        """
        cells: list[tuple[int, int, Key]] = []
        batch: dict[Key, _Pending] = {}
        n_encoded, total = 0, int(views.valid.sum())
        for instance, rank, key, pending in self._walk(views, frames, cloud, masks):
            cells.append((instance, rank, key))
            if pending is not None and key not in self._cache and key not in batch:
                batch[key] = pending
                n_encoded += len(pending.crops)
            if sum(len(p.crops) for p in batch.values()) >= CROPS_A_BATCH:
                self._cache.update(self._run(list(batch.values())))
                batch = {}
            job.step("encode", len(cells), total)
        self._cache.update(self._run(list(batch.values())))
        done = {key: self._cache[key] for _, _, key in cells}
        self._remember(done, frames)
        return Encoded(*self._tables(views, cells, done), n_encoded)

    def clear(self) -> None:
        """Forget every encoded view."""
        self._cache = {}

    def _remember(self, used: dict[Key, EncodedView], frames: KeyframeStore) -> None:
        """Keep what is used now, and the most recent of what was used before."""
        before = [key for key in self._cache if key not in used and int(key[0]) in frames]
        kept = before[max(len(before) - (REMEMBERED - 1) * len(used), 0) :]
        self._cache = {key: self._cache[key] for key in kept} | used

    def _walk(
        self, views: ViewTable, frames: KeyframeStore, cloud: Cloud, masks: InstanceMasks
    ) -> Iterator[tuple[int, int, Key, _Pending | None]]:
        """Every valid view, grouped by frame, with what must be encoded if it is new."""
        instances, ranks = np.nonzero(views.valid)
        stamps = views.stamps[instances, ranks]
        for stamp in np.unique(stamps):
            rows = np.flatnonzero(stamps == stamp)
            boxes = [snap_box(views.boxes[instances[i], ranks[i]], self._crops) for i in rows]
            if self._crops.fade > 0 or self._segmenter is not None:
                owner = self._visible(frames[int(stamp)], cloud)
                seen = (np.unique(owner[masks[int(i)]]) for i in instances[rows])
                sights = [_Sight(b, s[s >= 0]) for b, s in zip(boxes, seen, strict=True)]
            else:
                sights = [_Sight(box) for box in boxes]
            keys = [sight.key(int(stamp)) for sight in sights]
            new = {k: s for k, s in zip(keys, sights, strict=True) if k not in self._cache}
            pending = self._prepare(frames[int(stamp)], new) if new else {}
            for i, key in zip(rows, keys, strict=True):
                yield int(instances[i]), int(ranks[i]), key, pending.get(key)

    def _visible(self, frame: Frame, cloud: Cloud) -> npt.NDArray[np.int32]:
        return visible_pixels(
            cloud.points, frame.depth, frame.intrinsics, frame.map_from_camera, self._visibility
        )

    def _prepare(self, frame: Frame, sights: dict[Key, _Sight]) -> dict[Key, _Pending]:
        """The crops of what a frame sees anew; a segmenter runs once a frame."""
        size = frame.intrinsics.width, frame.intrinsics.height
        grown = self._grow(frame, sights)
        result: dict[Key, _Pending] = {}
        for (key, sight), mask in zip(sights.items(), grown, strict=True):
            box = sight.box if mask is None else mask_box(mask)
            crops = cut(self._faded(frame.rgb, sight, mask),
                        multi_level_boxes(box, *size, self._crops))
            context = cut(frame.rgb, multi_level_boxes(sight.box, *size, THUMBNAIL_MARGIN)[-1:])[0]
            result[key] = _Pending(key, crops, _thumbnail(context))
        return result

    def _grow(
        self, frame: Frame, sights: dict[Key, _Sight]
    ) -> Sequence[npt.NDArray[np.bool_] | None]:
        """The segmenter's mask of each sight; None where it has none."""
        pixels = [sight.pixels for sight in sights.values() if sight.pixels is not None]
        if self._segmenter is None or not pixels:
            return [None] * len(sights)
        return self._segmenter.segment(frame.rgb, pixels, [_seed(key) for key in sights])

    def _faded(
        self, rgb: npt.NDArray[np.uint8], sight: _Sight, mask: npt.NDArray[np.bool_] | None
    ) -> npt.NDArray[np.uint8]:
        if not self._crops.fade or sight.pixels is None:
            return rgb
        if mask is not None:
            return fade_outside(rgb, mask, self._crops)
        return fade_background(rgb, sight.pixels, self._crops)

    def _run(self, batch: list[_Pending]) -> dict[Key, EncodedView]:
        """Encode a batch: the feature of a view is the mean over its crop levels."""
        crops = [crop for pending in batch for crop in pending.crops]
        rows: dict[str, npt.NDArray[np.float32]] = {}
        if crops:
            for encoder in self._encoders:
                rows.update(encoder.encode_images(crops))
        result: dict[Key, EncodedView] = {}
        start = 0
        for pending in batch:
            stop = start + len(pending.crops)
            means = {name: matrix[start:stop].mean(axis=0) for name, matrix in rows.items()}
            result[pending.key] = EncodedView(means, pending.thumbnail)
            start = stop
        return result

    def _tables(
        self, views: ViewTable, cells: list[tuple[int, int, Key]], done: dict[Key, EncodedView]
    ) -> tuple[tuple[FeatureTable, ...], tuple[tuple[bytes, ...], ...]]:
        n, k = views.stamps.shape
        tables = []
        for space in (space for encoder in self._encoders for space in encoder.spaces):
            means = np.zeros((n, k, space.dim), np.float32)
            for instance, rank, key in cells:
                means[instance, rank] = done[key].means[space.name]
            tables.append(FeatureTable.from_means(space, means))
        thumbnails: list[list[bytes]] = [[] for _ in range(n)]
        for instance, _, key in sorted(cells, key=lambda cell: cell[:2]):
            thumbnails[instance].append(done[key].thumbnail)
        return tuple(tables), tuple(map(tuple, thumbnails))


def _seed(key: Key) -> int:
    return int(hashlib.sha256(repr(key).encode()).hexdigest()[:8], 16)


def _thumbnail(rgb: npt.NDArray[np.uint8]) -> bytes:
    bgr = cv2.cvtColor(shrink_color(rgb, THUMBNAIL_SIDE_PX), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY])
    return data.tobytes()

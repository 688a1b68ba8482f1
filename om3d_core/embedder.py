"""Features and thumbnails of the chosen views; a crop is encoded once, however often it is asked.

The cache holds what the last scene used, so that it grows with the map and not with time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.cloud import Cloud
from om3d_core.crops import CropSettings, cut, fade_background, multi_level_boxes
from om3d_core.encoders.base import Encoder
from om3d_core.frame import Frame
from om3d_core.keyframes import KeyframeStore
from om3d_core.masks import InstanceMasks
from om3d_core.progress import Job
from om3d_core.scene import FeatureTable, ViewTable
from om3d_core.visibility import VisibilitySettings, visible_pixels

CROPS_A_BATCH = 48
THUMBNAIL_SIDE_PX = 192
THUMBNAIL_QUALITY = 85
THUMBNAIL_MARGIN = CropSettings(levels=2, expansion_ratio=0.3)

Key = tuple[int | str, ...]


@dataclass(frozen=True)
class EncodedView:
    """The unit features of one view by space name, and its JPEG thumbnail."""

    vectors: dict[str, npt.NDArray[np.float32]]
    thumbnail: bytes


@dataclass(frozen=True)
class Encoded:
    """What :meth:`Embedder.encode` returns; ``n_encoded`` counts the crops that were new."""

    tables: tuple[FeatureTable, ...]
    thumbnails: tuple[tuple[bytes, ...], ...]
    n_encoded: int


@dataclass(frozen=True)
class _Pending:
    key: Key
    crops: list[npt.NDArray[np.uint8]]
    thumbnail: bytes


class Embedder:
    """Encodes views by any number of encoders and remembers the results."""

    def __init__(
        self, encoders: Sequence[Encoder], crops: CropSettings, visibility: VisibilitySettings
    ):
        self._encoders = encoders
        self._crops = crops
        self._visibility = visibility
        self._cache: dict[Key, EncodedView] = {}

    def encode(
        self, views: ViewTable, frames: KeyframeStore, cloud: Cloud, masks: InstanceMasks, job: Job
    ) -> Encoded:
        """Features and thumbnails of all valid ``views``; the job may cancel between batches."""
        done: dict[Key, EncodedView] = {}
        cells: list[tuple[int, int, Key]] = []
        batch: list[_Pending] = []
        n_encoded, total = 0, int(views.valid.sum())
        for instance, rank, key, pending in self._walk(views, frames, cloud, masks):
            cells.append((instance, rank, key))
            if pending is None:
                done[key] = self._cache[key]
            elif key not in done and all(p.key != key for p in batch):
                batch.append(pending)
                n_encoded += len(pending.crops)
            if sum(len(p.crops) for p in batch) >= CROPS_A_BATCH:
                done.update(self._run(batch))
                batch = []
            job.step("encode", len(cells), total)
        done.update(self._run(batch))
        self._cache = done
        return Encoded(*self._tables(views, cells, done), n_encoded)

    def clear(self) -> None:
        """Forget every encoded view."""
        self._cache = {}

    def _walk(
        self, views: ViewTable, frames: KeyframeStore, cloud: Cloud, masks: InstanceMasks
    ) -> Iterator[tuple[int, int, Key, _Pending | None]]:
        """Every valid view, grouped by frame, with what must be encoded if it is new."""
        instances, ranks = np.nonzero(views.valid)
        stamps = views.stamps[instances, ranks]
        for stamp in np.unique(stamps):
            frame: Frame | None = None
            pixels: npt.NDArray[np.int32] | None = None
            for i in np.flatnonzero(stamps == stamp):
                instance, rank = int(instances[i]), int(ranks[i])
                box = views.boxes[instance, rank]
                key: Key = (int(stamp), *map(int, box))
                seen: npt.NDArray[np.int32] | None = None
                if self._crops.fade > 0:
                    frame = frame or frames[int(stamp)]
                    if pixels is None:
                        pixels = self._visible(frame, cloud)
                    seen = np.unique(pixels[masks[instance]])
                    seen = seen[seen >= 0]
                    key = (*key, hashlib.sha256(seen.tobytes()).hexdigest())
                if key in self._cache:
                    yield instance, rank, key, None
                    continue
                frame = frame or frames[int(stamp)]
                yield instance, rank, key, self._prepare(frame, box, seen, key)

    def _visible(self, frame: Frame, cloud: Cloud) -> npt.NDArray[np.int32]:
        return visible_pixels(
            cloud.points, frame.depth, frame.intrinsics, frame.map_from_camera, self._visibility
        )

    def _prepare(
        self,
        frame: Frame,
        box: npt.NDArray[np.int32],
        seen: npt.NDArray[np.int32] | None,
        key: Key,
    ) -> _Pending:
        size = frame.intrinsics.width, frame.intrinsics.height
        rgb = frame.rgb if seen is None else fade_background(frame.rgb, seen, self._crops)
        crops = cut(rgb, multi_level_boxes(box, *size, self._crops))
        context = cut(frame.rgb, multi_level_boxes(box, *size, THUMBNAIL_MARGIN)[-1:])[0]
        return _Pending(key, crops, _thumbnail(context))

    def _run(self, batch: list[_Pending]) -> dict[Key, EncodedView]:
        """Encode a batch: the feature of a view is the unit mean over its crop levels."""
        crops = [crop for pending in batch for crop in pending.crops]
        rows: dict[str, npt.NDArray[np.float32]] = {}
        if crops:
            for encoder in self._encoders:
                rows.update(encoder.encode_images(crops))
        result: dict[Key, EncodedView] = {}
        start = 0
        for pending in batch:
            stop = start + len(pending.crops)
            vectors = {name: _unit_mean(matrix[start:stop]) for name, matrix in rows.items()}
            result[pending.key] = EncodedView(vectors, pending.thumbnail)
            start = stop
        return result

    def _tables(
        self, views: ViewTable, cells: list[tuple[int, int, Key]], done: dict[Key, EncodedView]
    ) -> tuple[tuple[FeatureTable, ...], tuple[tuple[bytes, ...], ...]]:
        n, k = views.stamps.shape
        tables = []
        for space in (space for encoder in self._encoders for space in encoder.spaces):
            vectors, valid = np.zeros((n, k, space.dim), np.float32), np.zeros((n, k), bool)
            for instance, rank, key in cells:
                vectors[instance, rank] = done[key].vectors[space.name]
                valid[instance, rank] = bool(vectors[instance, rank].any())
            tables.append(FeatureTable(space, vectors, valid))
        thumbnails: list[list[bytes]] = [[] for _ in range(n)]
        for instance, _, key in sorted(cells, key=lambda cell: cell[:2]):
            thumbnails[instance].append(done[key].thumbnail)
        return tuple(tables), tuple(map(tuple, thumbnails))


def _unit_mean(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    mean = rows.mean(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(mean))
    unit: npt.NDArray[np.float64] = mean / norm if norm > 0 else mean
    return unit.astype(np.float32)


def _thumbnail(rgb: npt.NDArray[np.uint8]) -> bytes:
    height, width = rgb.shape[:2]
    scale = min(1.0, THUMBNAIL_SIDE_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY])
    return data.tobytes()

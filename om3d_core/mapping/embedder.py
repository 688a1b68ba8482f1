"""Features and thumbnails of the chosen views; a crop that is remembered is not encoded again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene, WordsOfViews
from om3d_core.data.tables import FeatureTable, ViewTable, unit_and_length
from om3d_core.encoders.base import Encoder
from om3d_core.formats.image_files import shrink_color
from om3d_core.mapping.crops import (
    CropSettings,
    cut,
    fade_background,
    fade_outside,
    multi_level_boxes,
    snap_box,
    turns_upright,
)
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.view_memory import EncodedView, Key, ViewMemory
from om3d_core.mapping.visibility import VisibilitySettings, visible_pixels
from om3d_core.progress import Job
from om3d_core.segmenters.base import Segmenter
from om3d_core.segmenters.prompts import mask_box

CROPS_A_BATCH = 48
THUMBNAIL_SIDE_PX = 192
THUMBNAIL_QUALITY = 85
THUMBNAIL_MARGIN = CropSettings(levels=2, expansion_ratio=0.3)

@dataclass(frozen=True, eq=False)
class Encoded:
    """What :meth:`Embedder.encode` returns; ``n_encoded`` counts the crops that were new.

    words, detections: what was read on the first views, and what they were taken for, if they
    were looked at.
    """

    tables: tuple[FeatureTable, ...]
    thumbnails: tuple[tuple[bytes, ...], ...]
    n_encoded: int
    words: WordsOfViews = ()
    detections: WordsOfViews = ()


@dataclass(frozen=True, eq=False)
class _Pending:
    crops: list[npt.NDArray[np.uint8]]
    thumbnail: bytes


@dataclass(frozen=True, eq=False)
class _Sight:
    """An instance in a frame: its box, the quarter turns that make it upright, and the flat
    indices of the pixels that show it, where something is made of them."""

    box: npt.NDArray[np.int32]
    turns: int
    pixels: npt.NDArray[np.int32] | None = None

    def key(self, stamp: int, images_sum: int) -> Key:
        """What the crops depend on: not the instance, and the pose by whole quarter turns only."""
        key: Key = (stamp, images_sum, *map(int, self.box), self.turns)
        if self.pixels is None:
            return key
        return (*key, hashlib.sha256(self.pixels.tobytes()).hexdigest())


class Embedder:
    """Encodes views by any number of encoders.

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

    @property
    def spaces(self) -> tuple[FeatureSpace, ...]:
        """The spaces of all encoders."""
        return tuple(space for encoder in self._encoders for space in encoder.spaces)

    def encode(
        self, views: ViewTable, frames: KeyframeStore, cloud: Cloud, masks: InstanceMasks,
        up: npt.NDArray[np.float64], memory: ViewMemory, job: Job,
    ) -> Encoded:
        """Features and thumbnails of all valid ``views``; those in ``memory`` are not made again.

        up: unit (3,) in the map frame.

        The job may cancel between batches; what was encoded until then is remembered.
        """
        cells: list[tuple[int, int, Key]] = []
        batch: dict[Key, _Pending] = {}
        n_encoded, total = 0, int(views.valid.sum())
        for instance, rank, key, pending in self._walk(
            views, frames, cloud, masks, up, memory
        ):
            cells.append((instance, rank, key))
            if pending is not None and key not in memory and key not in batch:
                batch[key] = pending
                n_encoded += len(pending.crops)
            if sum(len(p.crops) for p in batch.values()) >= CROPS_A_BATCH:
                self._run(batch, memory)
                batch = {}
            job.step("encode", len(cells), total)
        self._run(batch, memory)
        done = {key: memory[key] for _, _, key in cells}
        memory.retain(done, frames)
        return Encoded(*self._tables(views, cells, done), n_encoded)

    def recall(self, scene: Scene, frames: KeyframeStore, memory: ViewMemory) -> None:
        """Remember the views of a scene that the same encoders filled from these ``frames``."""
        tables = {table.space: table for table in scene.features}
        if not all(space in tables for space in self.spaces):
            return
        held = np.isin(scene.views.stamps, frames.stamps) & scene.views.valid
        views = replace(scene.views, stamps=np.where(held, scene.views.stamps, -1))
        walk = self._walk(views, frames, scene.cloud, scene.masks, scene.up, None)
        for i, rank, key, _ in walk:
            rows = {
                space.name: (tables[space].vectors[i, rank], tables[space].lengths[i, rank])
                for space in self.spaces
            }
            memory.add(key, EncodedView(rows, scene.thumbnails[i][rank]))

    def _walk(
        self, views: ViewTable, frames: KeyframeStore, cloud: Cloud, masks: InstanceMasks,
        up: npt.NDArray[np.float64], memory: ViewMemory | None,
    ) -> Iterator[tuple[int, int, Key, _Pending | None]]:
        """Every valid view, grouped by frame, with what must be encoded if it is not in memory.

        Without a memory nothing is cut out.
        """
        instances, ranks = np.nonzero(views.valid)
        stamps = views.stamps[instances, ranks]
        for stamp in np.unique(stamps):
            rows = np.flatnonzero(stamps == stamp)
            boxes = [snap_box(views.boxes[instances[i], ranks[i]], self._crops) for i in rows]
            turns = turns_upright(frames.pose(int(stamp)), up, self._crops)
            if self._crops.fade > 0 or self._segmenter is not None:
                owner = self._visible(frames[int(stamp)], cloud)
                seen = (np.unique(owner[masks[int(i)]]) for i in instances[rows])
                sights = [_Sight(b, turns, s[s >= 0]) for b, s in zip(boxes, seen, strict=True)]
            else:
                sights = [_Sight(box, turns) for box in boxes]
            images_sum = frames.images_sum(int(stamp))
            keys = [sight.key(int(stamp), images_sum) for sight in sights]
            new = {
                k: s for k, s in zip(keys, sights, strict=True)
                if memory is not None and k not in memory
            }
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
            turned = [np.rot90(crop, sight.turns) for crop in crops]
            result[key] = _Pending(turned, _thumbnail(context))
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

    def _run(self, batch: Mapping[Key, _Pending], memory: ViewMemory) -> None:
        """Encode a batch: the feature of a view is the mean over its crop levels."""
        crops = [crop for pending in batch.values() for crop in pending.crops]
        if not crops:
            return
        rows: dict[str, npt.NDArray[np.float32]] = {}
        for encoder in self._encoders:
            rows.update(encoder.encode_images(crops))
        start = 0
        for key, pending in batch.items():
            stop = start + len(pending.crops)
            means = {name: matrix[start:stop].mean(axis=0) for name, matrix in rows.items()}
            unit = {name: unit_and_length(mean) for name, mean in means.items()}
            memory.add(key, EncodedView(unit, pending.thumbnail))
            start = stop
        memory.crops_encoded += len(crops)

    def _tables(
        self, views: ViewTable, cells: list[tuple[int, int, Key]], done: dict[Key, EncodedView]
    ) -> tuple[tuple[FeatureTable, ...], tuple[tuple[bytes, ...], ...]]:
        n, k = views.stamps.shape
        tables = []
        for space in self.spaces:
            vectors = np.zeros((n, k, space.dim), np.float32)
            lengths = np.zeros((n, k), np.float32)
            for instance, rank, key in cells:
                vectors[instance, rank], lengths[instance, rank] = done[key].rows[space.name]
            tables.append(FeatureTable.from_rows(space, vectors, lengths))
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

"""The words on the best views of each instance; a crop that is remembered is not read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene, WordsOfViews
from om3d_core.data.tables import ViewTable
from om3d_core.data.words import Words
from om3d_core.mapping.crops import CropSettings, cut, multi_level_boxes, snap_box
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.view_memory import REMEMBERED, Key
from om3d_core.progress import Job

CROPS_A_BATCH = 16
MARGIN = CropSettings(levels=2, expansion_ratio=0.1)


class Reader(Protocol):
    """Reads words in RGB crops (h, w, 3); those of a crop depend on it alone."""

    def read(self, crops: Sequence[npt.NDArray[np.uint8]]) -> list[Words]:
        """The words of each crop."""


class WordMemory:
    """What was read in the views of one map, by what their crops show."""

    def __init__(self) -> None:
        self.known: dict[Key, Words] = {}

    def retain(self, used: Mapping[Key, Words], frames: KeyframeStore) -> None:
        """Keep what is used now, and the most recent of what was used before of ``frames``."""
        before = [key for key in self.known if key not in used and int(key[0]) in frames]
        kept = before[max(len(before) - (REMEMBERED - 1) * len(used), 0) :]
        self.known = {key: self.known[key] for key in kept} | dict(used)


class Reading:
    """Reads the best ``n_views`` views of what is no structure; nothing without a reader."""

    def __init__(self, reader: Reader | None, n_views: int, crops: CropSettings):
        self._reader = reader
        self._n_views = n_views
        self._crops = crops

    def read(
        self, views: ViewTable, frames: KeyframeStore, masks: InstanceMasks, memory: WordMemory,
        job: Job,
    ) -> WordsOfViews:
        """The words of each view of each instance.

        The job may cancel between batches; what was read until then is remembered.
        """
        if self._reader is None:
            return ((),) * len(masks)
        cells = list(self._cells(views, masks, frames))
        new: dict[Key, npt.NDArray[np.uint8]] = {}
        for done, (i, rank, key) in enumerate(sorted(cells, key=lambda cell: cell[2][:1])):
            if key not in memory.known and key not in new:
                new[key] = self._crop(views, frames, i, rank)
            if len(new) >= CROPS_A_BATCH:
                memory.known |= zip(new, self._reader.read(list(new.values())), strict=True)
                new = {}
            job.step("text", done, len(cells))
        memory.known |= zip(new, self._reader.read(list(new.values())), strict=True)
        memory.retain({key: memory.known[key] for _, _, key in cells}, frames)
        words: list[list[Words]] = [[] for _ in range(len(masks))]
        for i, _, key in cells:
            words[i].append(memory.known[key])
        return tuple(map(tuple, words))

    def recall(self, scene: Scene, frames: KeyframeStore, memory: WordMemory) -> None:
        """Remember what was read for a scene from these ``frames`` with the same settings."""
        for i, rank, key in self._cells(scene.views, scene.masks, frames):
            memory.known[key] = scene.words[i][rank]

    def _cells(
        self, views: ViewTable, masks: InstanceMasks, frames: KeyframeStore
    ) -> Iterator[tuple[int, int, Key]]:
        """Each view that is read, by instance, best first, and what its words depend on."""
        if self._reader is None:
            return
        chosen = views.valid[:, : self._n_views] & ~masks.structure[:, None]
        for i, rank in zip(*(index.tolist() for index in np.nonzero(chosen)), strict=True):
            stamp = int(views.stamps[i, rank])
            if stamp in frames:
                box = map(int, snap_box(views.boxes[i, rank], self._crops))
                yield i, rank, (stamp, frames.images_sum(stamp), *box)

    def _crop(
        self, views: ViewTable, frames: KeyframeStore, i: int, rank: int
    ) -> npt.NDArray[np.uint8]:
        frame = frames[int(views.stamps[i, rank])]
        size = frame.intrinsics.width, frame.intrinsics.height
        box = snap_box(views.boxes[i, rank], self._crops)
        return cut(frame.rgb, multi_level_boxes(box, *size, MARGIN)[-1:])[0]

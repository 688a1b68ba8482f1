"""What readers tell of the best views of each instance: words on it, classes it is taken for.

A window that is remembered is not read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene, WordsOfViews
from om3d_core.data.tables import ViewTable
from om3d_core.data.words import Words
from om3d_core.evidence.windows import ViewReader, Window
from om3d_core.mapping.crops import (
    CropSettings,
    cut,
    multi_level_boxes,
    snap_box,
    turns_upright,
)
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.view_memory import REMEMBERED, Key
from om3d_core.progress import Job

WINDOWS_A_BATCH = 16


class WordMemory:
    """What was read in the views of one map, by what their windows show."""

    def __init__(self) -> None:
        self.known: dict[Key, Words] = {}

    def retain(self, used: Mapping[Key, Words], frames: KeyframeStore) -> None:
        """Keep what is used now, and the most recent of what was used before of ``frames``."""
        before = [key for key in self.known if key not in used and int(key[0]) in frames]
        kept = before[max(len(before) - (REMEMBERED - 1) * len(used), 0) :]
        self.known = {key: self.known[key] for key in kept} | dict(used)


class Reading:
    """Reads the best ``n_views`` views of what is no structure; nothing without a reader.

    step: what it is called in reports of progress.
    """

    def __init__(self, step: str, reader: ViewReader | None, n_views: int, crops: CropSettings):
        self._step = step
        self._reader = reader
        self._n_views = n_views
        self._crops = crops

    def read(
        self, views: ViewTable, frames: KeyframeStore, masks: InstanceMasks,
        up: npt.NDArray[np.float64], memory: WordMemory, job: Job,
    ) -> WordsOfViews:
        """What is read in each view of each instance. up: unit (3,) in the map frame.

        The job may cancel between batches; what was read until then is remembered.
        """
        if self._reader is None:
            return ((),) * len(masks)
        cells = list(self._cells(views, masks, up, frames))
        new: dict[Key, Window] = {}
        frame: Frame | None = None
        for done, (i, rank, key) in enumerate(sorted(cells, key=lambda cell: cell[2][:1])):
            if key not in memory.known and key not in new:
                if frame is None or frame.stamp_ns != key[0]:
                    frame = frames[int(key[0])]
                new[key] = self._window(frame, views.boxes[i, rank], up, self._reader.margin)
            if len(new) >= WINDOWS_A_BATCH:
                memory.known |= zip(new, self._reader.read(list(new.values())), strict=True)
                new = {}
            job.step(self._step, done, len(cells))
        memory.known |= zip(new, self._reader.read(list(new.values())), strict=True)
        memory.retain({key: memory.known[key] for _, _, key in cells}, frames)
        words: list[list[Words]] = [[] for _ in range(len(masks))]
        for i, _, key in cells:
            words[i].append(memory.known[key])
        return tuple(map(tuple, words))

    def recall(
        self, told: WordsOfViews, scene: Scene, frames: KeyframeStore, memory: WordMemory
    ) -> None:
        """Remember what a scene was told from these ``frames`` with the same settings."""
        for i, rank, key in self._cells(scene.views, scene.masks, scene.up, frames):
            memory.known[key] = told[i][rank]

    def _cells(
        self, views: ViewTable, masks: InstanceMasks, up: npt.NDArray[np.float64],
        frames: KeyframeStore,
    ) -> Iterator[tuple[int, int, Key]]:
        """Each view that is read, by instance, best first, and what it depends on."""
        if self._reader is None:
            return
        chosen = views.valid[:, : self._n_views] & ~masks.structure[:, None]
        for i, rank in zip(*(index.tolist() for index in np.nonzero(chosen)), strict=True):
            stamp = int(views.stamps[i, rank])
            if stamp in frames:
                box = map(int, snap_box(views.boxes[i, rank], self._crops))
                turns = turns_upright(frames.pose(stamp), up, self._crops)
                yield i, rank, (stamp, frames.images_sum(stamp), *box, turns)

    def _window(
        self, frame: Frame, box: npt.NDArray[np.int32], up: npt.NDArray[np.float64], margin: float
    ) -> Window:
        size = frame.intrinsics.width, frame.intrinsics.height
        levels = CropSettings(levels=2, expansion_ratio=margin)
        thing, around = multi_level_boxes(snap_box(box, self._crops), *size, levels)
        window = Window(cut(frame.rgb, around[None])[0], thing - np.tile(around[:2], 2))
        return window.turned(turns_upright(frame.map_from_camera, up, self._crops))

"""A saved map's views encoded anew from its keyframes, by other encoders or from other crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from om3d_core.data.keyframe import Keyframe
from om3d_core.data.scene import Scene, WordsOfViews
from om3d_core.data.tables import ViewTable
from om3d_core.errors import InputError
from om3d_core.mapping.embedder import Embedder
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.pose_cells import KeyframeSettings
from om3d_core.mapping.view_memory import ViewMemory
from om3d_core.progress import Job


def encode_again(
    scene: Scene, keyframes: Sequence[Keyframe], embedder: Embedder, job: Job
) -> Scene:
    """``scene`` with the features and thumbnails that ``embedder`` makes of its views.

    Instances, ids and views stay; a view whose keyframe is not there is left out. It is the next
    revision of the same map. Raises :class:`InputError` if no view has its keyframe.
    """
    store = KeyframeStore(KeyframeSettings(step_m=0.0, max_frames=max(len(keyframes), 1)))
    store.restore(keyframes)
    views = _of_frames(scene.views, store)
    if scene.views.valid.any() and not views.valid.any():
        raise InputError(
            "expected a map that was saved with its keyframes (save.keyframes), got one without"
        )
    encoded = embedder.encode(
        views, store, scene.cloud, scene.masks, scene.up, ViewMemory(), job
    )
    stamps = set(views.stamps[views.valid].tolist())
    return replace(
        scene,
        revision=scene.revision + 1,
        views=views,
        features=encoded.tables,
        thumbnails=encoded.thumbnails,
        words=_words(scene, scene.words, views),
        detections=_words(scene, scene.detections, views),
        camera_frames={s: name for s, name in scene.camera_frames.items() if s in stamps},
        made_by="",
    )


def _words(scene: Scene, told: WordsOfViews, views: ViewTable) -> WordsOfViews:
    """What was ``told`` of those of the scene's views that are among ``views``."""
    known = [
        dict(zip(stamps.tolist(), words, strict=True))
        for stamps, words in zip(scene.views.stamps, told, strict=True)
    ]
    return tuple(
        tuple(by_stamp[stamp] if stamp >= 0 else () for stamp in stamps.tolist())
        for by_stamp, stamps in zip(known, views.stamps, strict=True)
    )


def _of_frames(views: ViewTable, frames: KeyframeStore) -> ViewTable:
    """The views of these frames, packed to the front."""
    held = views.valid & np.isin(views.stamps, frames.stamps)
    order = np.argsort(~held, axis=1, kind="stable")
    kept = np.take_along_axis(held, order, axis=1)
    return ViewTable(
        np.where(kept, np.take_along_axis(views.stamps, order, axis=1), -1),
        np.where(kept, np.take_along_axis(views.pixels, order, axis=1), 0).astype(np.int32),
        np.where(
            kept[:, :, None], np.take_along_axis(views.boxes, order[:, :, None], axis=1), 0
        ).astype(np.int32),
    )

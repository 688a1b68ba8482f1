"""Mask quality on single RGB-D views with human labels, in the layout of the OSD data set.

A folder holds NAME.color.png (RGB), NAME.depth.png (uint16 millimeters, 0 = none) and
NAME.label.png (0 unlabeled, 1 table, 2 and up one number an object), all registered, and perhaps
intrinsics.txt (3x3 or 4x4); without it the intrinsics are those of the Kinect of OSD.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame, Intrinsics, clean_depth
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import InputError, SourceError, expect
from om3d_core.evaluation.mask_quality import (
    MaskEvaluationSettings,
    MaskQuality,
    count_overlaps,
    evaluate_overlaps,
)
from om3d_core.formats.image_files import read_image_file
from om3d_core.formats.text_matrix import read_matrix
from om3d_core.mapping.fusion import cloud_from_frame
from om3d_core.mapping.gravity import GravitySettings, decide_up
from om3d_core.progress import Job
from om3d_core.proposals.base import Proposer

UNLABELED, TABLE = 0, 1
OSD_INTRINSICS = ((525.0, 0.0, 319.5), (0.0, 525.0, 239.5), (0.0, 0.0, 1.0))
MILLIMETERS_PER_M = 1000.0


@dataclass(frozen=True, eq=False)
class LabeledView:
    """One view, its frame in the camera's own coordinates, and labels (H, W) integer."""

    name: str
    frame: Frame
    labels: npt.NDArray[np.integer[Any]]

    def __post_init__(self) -> None:
        size = self.frame.depth.shape
        expect(
            self.labels.shape == size and np.issubdtype(self.labels.dtype, np.integer),
            f"integer labels of shape {size}",
            (self.labels.shape, self.labels.dtype),
        )


def evaluate_views(
    folder: Path,
    proposer: Proposer,
    job: Job,
    settings: MaskEvaluationSettings | None = None,
    gravity: GravitySettings | None = None,
) -> MaskQuality:
    """Propose masks on each view alone and measure them all on one curve.

    Masks are compared over the pixels with depth; label 0 and the table are void. ``gravity`` is
    up in the frame of the camera, or auto. Raises
    :class:`SourceError` for a folder without views or with damaged ones.
    """
    names = view_names(folder)
    overlaps = []
    for done, view in enumerate(read_views(folder)):
        job.step("views", done, len(names))
        gt, void = view_truth(view)
        cloud = cloud_from_frame(view.frame)
        pred = proposer.propose(cloud, job, decide_up(cloud, gravity))
        overlaps.append(count_overlaps(pred, gt, void, settings))
    job.step("views", len(names), len(names))
    return evaluate_overlaps(overlaps)


def view_names(folder: Path) -> list[str]:
    """The names of the views of a folder, sorted; raises :class:`SourceError` if none."""
    names = sorted(path.name.removesuffix(".label.png") for path in folder.glob("*.label.png"))
    if not names:
        raise SourceError(f"{folder}: expected NAME.label.png, NAME.color.png and NAME.depth.png")
    return names


def read_views(folder: Path) -> Iterator[LabeledView]:
    """The views of a folder by name; raises :class:`SourceError` for a damaged one."""
    matrix = _read_intrinsics(folder / "intrinsics.txt")
    for name in view_names(folder):
        rgb = _read_image(folder / f"{name}.color.png", color=True)
        depth = _read_image(folder / f"{name}.depth.png", color=False)
        labels = _read_image(folder / f"{name}.label.png", color=False)
        try:
            intrinsics = Intrinsics.from_matrix(matrix, rgb.shape[1], rgb.shape[0])
            depth_m = clean_depth(depth, MILLIMETERS_PER_M)
            yield LabeledView(name, Frame(rgb, depth_m, intrinsics, np.eye(4), 0), labels)
        except InputError as error:
            raise SourceError(f"{folder}: view {name}: {error}") from error


def view_truth(view: LabeledView) -> tuple[InstanceMasks, npt.NDArray[np.bool_]]:
    """Object masks and void (P,) over the pixels with depth, row by row."""
    labels = view.labels[view.frame.depth > 0]
    objects = np.unique(labels[labels > TABLE])
    masks = InstanceMasks.from_lists([np.flatnonzero(labels == i) for i in objects], len(labels))
    return masks, (labels == UNLABELED) | (labels == TABLE)


def _read_intrinsics(path: Path) -> npt.NDArray[np.float64]:
    if not path.exists():
        return np.array(OSD_INTRINSICS)
    try:
        return read_matrix(path, {(3, 3), (4, 4)})
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error


def _read_image(path: Path, *, color: bool) -> npt.NDArray[Any]:
    try:
        return read_image_file(path, color)
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error

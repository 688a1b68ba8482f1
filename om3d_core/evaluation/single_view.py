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

from om3d_core.cloud import Cloud
from om3d_core.errors import InputError, SourceError, expect
from om3d_core.evaluation.mask_quality import (
    MaskEvaluationSettings,
    MaskQuality,
    count_overlaps,
    evaluate_overlaps,
)
from om3d_core.frame import Intrinsics, clean_depth
from om3d_core.masks import InstanceMasks
from om3d_core.progress import Job
from om3d_core.proposals.base import Proposer
from om3d_core.sources.images import decode_file

UNLABELED, TABLE = 0, 1
OSD_INTRINSICS = np.array([[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]])
MILLIMETERS_PER_M = 1000.0
NORMAL_RADIUS_M = 0.02
NORMAL_NEIGHBORS = 30


@dataclass(frozen=True)
class LabeledView:
    """One view: rgb (H, W, 3) uint8, depth (H, W) float32 meters, labels (H, W) integer."""

    name: str
    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.integer[Any]]
    intrinsics: Intrinsics

    def __post_init__(self) -> None:
        size = (self.intrinsics.height, self.intrinsics.width)
        shapes = (self.rgb.shape, self.depth.shape, self.labels.shape)
        expect(shapes == ((*size, 3), size, size), f"color, depth and labels of one size {size}",
               shapes)
        expect(np.issubdtype(self.labels.dtype, np.integer), "integer labels", self.labels.dtype)


def evaluate_views(
    folder: Path,
    proposer: Proposer,
    job: Job,
    settings: MaskEvaluationSettings | None = None,
) -> MaskQuality:
    """Propose masks on each view alone and measure them all on one curve.

    Masks are compared over the pixels with depth; label 0 and the table are void. Raises
    :class:`SourceError` for a folder without views or with damaged ones.
    """
    names = view_names(folder)
    overlaps = []
    for done, view in enumerate(read_views(folder)):
        job.step("views", done, len(names))
        gt, void = view_truth(view)
        pred = proposer.propose(view_cloud(view), job)
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
            yield LabeledView(name, rgb, depth_m, labels, intrinsics)
        except InputError as error:
            raise SourceError(f"{folder}: view {name}: {error}") from error


def view_truth(view: LabeledView) -> tuple[InstanceMasks, npt.NDArray[np.bool_]]:
    """Object masks and void (P,) over the pixels with depth, row by row."""
    labels = view.labels[view.depth > 0]
    objects = np.unique(labels[labels > TABLE])
    masks = InstanceMasks.from_lists([np.flatnonzero(labels == i) for i in objects], len(labels))
    return masks, (labels == UNLABELED) | (labels == TABLE)


def view_cloud(view: LabeledView) -> Cloud:
    """The pixels with depth as a cloud in the camera frame, row by row.

    Normals come from the neighborhood (Open3D) and face the camera.
    """
    import open3d as o3d

    v, u = np.nonzero(view.depth)
    k, z = view.intrinsics, view.depth[v, u].astype(np.float64)
    points = np.stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z], axis=1)
    geometry = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    geometry.estimate_normals(
        o3d.geometry.KDTreeSearchParamHybrid(NORMAL_RADIUS_M, NORMAL_NEIGHBORS)
    )
    geometry.orient_normals_towards_camera_location(np.zeros(3))
    normals = np.asarray(geometry.normals).reshape(-1, 3)
    return Cloud(points.astype(np.float32), view.rgb[v, u], normals.astype(np.float32))


def _read_intrinsics(path: Path) -> npt.NDArray[np.float64]:
    if not path.exists():
        return OSD_INTRINSICS
    try:
        matrix = np.loadtxt(path, ndmin=2)
        expect(matrix.shape in {(3, 3), (4, 4)}, "a 3x3 or 4x4 camera matrix", matrix.shape)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: {error}") from error
    return matrix


def _read_image(path: Path, *, color: bool) -> npt.NDArray[Any]:
    try:
        return decode_file(path.read_bytes(), color)
    except (OSError, InputError) as error:
        raise SourceError(f"{path}: {error}") from error

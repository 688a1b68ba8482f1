"""RGB-D frames to a cloud: a truncated signed distance field, and the cloud of a single view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.set_aside import blaming
from om3d_core.progress import Job
from om3d_core.settings import Settings, setting

BLOCK_RESOLUTION = 8
INITIAL_BLOCKS = 4096
NORMAL_RADIUS_M = 0.02
NORMAL_NEIGHBORS = 30


@dataclass(frozen=True)
class FusionSettings(Settings):
    """How frames become a cloud."""

    voxel_m: float = setting(0.01, "voxel size, meters", low=0.002, high=0.2)
    max_depth_m: float = setting(4.0, "farther depth is not fused, meters", low=0.1, high=50.0)
    truncation_voxels: float = setting(
        5.0, "truncation distance of the signed distance field, voxels", low=1.0, high=20.0
    )
    min_weight: float = setting(
        3.0, "frames that must have seen a surface point (fewer if fewer were fused)", low=0.0,
        high=1000.0,
    )


class Fuser:
    """Fuses frames one by one into a signed distance field on a sparse grid (Open3D).

    Source: Curless and Levoy 1996; voxel hashing after Niessner et al. 2013.
    """

    def __init__(self, settings: FusionSettings | None = None):
        import open3d as o3d

        self._o3d = o3d
        self._settings = settings or FusionSettings()
        float32 = o3d.core.float32
        self._grid = o3d.t.geometry.VoxelBlockGrid(
            ("tsdf", "weight", "color"),
            (float32, float32, float32),
            [o3d.core.SizeVector([channels]) for channels in (1, 1, 3)],
            voxel_size=self._settings.voxel_m,
            block_resolution=BLOCK_RESOLUTION,
            block_count=INITIAL_BLOCKS,
        )
        self._frames = 0

    def integrate(self, frame: Frame) -> None:
        """Add one frame; one without depth in range changes nothing."""
        s = self._settings
        in_range = np.where(frame.depth <= s.max_depth_m, frame.depth, np.float32(0.0))
        if not in_range.any():
            return
        o3d = self._o3d
        depth = o3d.t.geometry.Image(np.ascontiguousarray(in_range, dtype=np.float32))
        color = o3d.t.geometry.Image(frame.rgb.astype(np.float32) / np.float32(255.0))
        intrinsic = o3d.core.Tensor(frame.intrinsics.matrix)
        extrinsic = o3d.core.Tensor(np.linalg.inv(frame.map_from_camera))
        blocks = self._grid.compute_unique_block_coordinates(
            depth, intrinsic, extrinsic, 1.0, s.max_depth_m, s.truncation_voxels
        )
        if blocks.shape[0] == 0:
            return
        # Open3D drops the fraction of a pixel's coordinates; half a pixel more rounds them.
        matrix = frame.intrinsics.matrix
        matrix[:2, 2] += 0.5
        rounding = o3d.core.Tensor(matrix)
        self._grid.integrate(
            blocks, depth, color, rounding, rounding, extrinsic, 1.0, s.max_depth_m,
            s.truncation_voxels,
        )  # fmt: skip
        self._frames += 1

    def cloud(self) -> Cloud:
        """The surface seen so far, in the map frame, its points in lexicographic order."""
        if not self._frames:
            return Cloud.empty()
        threshold = min(self._settings.min_weight, float(self._frames)) - 0.5
        surface = self._grid.extract_point_cloud(weight_threshold=max(threshold, 0.0))
        if "positions" not in surface.point or not len(surface.point.positions):
            return Cloud.empty()
        points = surface.point.positions.numpy().astype(np.float32)
        colors = surface.point.colors.numpy()
        normals = surface.point.normals.numpy()
        order = np.lexsort(points.T[::-1])
        order = order[np.isfinite(points[order]).all(axis=1)]
        return Cloud(
            points[order],
            np.clip(np.rint(colors[order] * 255.0), 0, 255).astype(np.uint8),
            _unit_or_zero(normals[order]),
        )


class IncrementalFusion:
    """Fuses keyframes in the order of their stamps, from the start only if that order broke."""

    def __init__(self, settings: FusionSettings):
        self._settings = settings
        self._fuser = Fuser(settings)
        self._fused: list[int] = []
        self._cloud: Cloud | None = None

    def cloud(self, frames: KeyframeStore, job: Job) -> Cloud:
        """The cloud of all ``frames``; the same object if they are the same."""
        stamps = frames.stamps
        if self._cloud is not None and stamps == self._fused:
            return self._cloud
        if stamps[: len(self._fused)] != self._fused:
            self._fuser, self._fused = Fuser(self._settings), []
        for stamp in stamps[len(self._fused) :]:
            job.step("fuse", len(self._fused), len(stamps))
            with blaming(stamp):
                self._fuser.integrate(frames[stamp])
            self._fused.append(stamp)
        self._cloud = self._fuser.cloud()
        return self._cloud


def cloud_from_frame(frame: Frame) -> Cloud:
    """The pixels with depth of one frame, row by row, as a cloud in the map frame.

    Normals are fitted to the neighborhood and face the camera.
    """
    import open3d as o3d

    v, u = np.nonzero(frame.depth)
    if not len(v):
        return Cloud.empty()
    k, z = frame.intrinsics, frame.depth[v, u].astype(np.float64)
    camera = np.stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z], axis=1)
    geometry = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(camera))
    geometry.estimate_normals(
        o3d.geometry.KDTreeSearchParamHybrid(NORMAL_RADIUS_M, NORMAL_NEIGHBORS)
    )
    geometry.orient_normals_towards_camera_location(np.zeros(3))
    rotation, translation = frame.map_from_camera[:3, :3], frame.map_from_camera[:3, 3]
    return Cloud(
        (camera @ rotation.T + translation).astype(np.float32),
        frame.rgb[v, u],
        _unit_or_zero(np.asarray(geometry.normals) @ rotation.T),
    )


def _unit_or_zero(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """(n, 3) rows scaled to length one, or zero where they have no direction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(np.isfinite(unit).all(axis=1, keepdims=True), unit, 0.0).astype(np.float32)

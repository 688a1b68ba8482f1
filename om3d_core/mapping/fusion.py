"""RGB-D frames to a cloud: a truncated signed distance field, and the cloud of a single view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.mapping.block_frames import (
    Changes,
    SeenBlocks,
    changes,
    choose_frames,
    unpack,
)
from om3d_core.mapping.block_grid import BLOCK_RESOLUTION, erase, new_grid, with_room
from om3d_core.mapping.chunks import Chunks
from om3d_core.mapping.keyframes import FrameKey, KeyframeStore
from om3d_core.mapping.set_aside import blaming
from om3d_core.progress import Job
from om3d_core.settings import Settings, setting

INITIAL_BLOCKS = 4096
UNKNOWN = (-1,)
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
    frames_a_block: int = setting(
        8, "most frames that a block of 8 voxels is fused from, of each octant from which it is "
        "seen: the nearest, then the earliest; 0 takes all", low=0, high=10_000,
    )


class Fuser:
    """Fuses frames one by one into a signed distance field on a sparse grid (Open3D).

    Source: Curless and Levoy 1996; voxel hashing after Niessner et al. 2013.
    """

    def __init__(self, settings: FusionSettings | None = None):
        import open3d as o3d

        self._o3d = o3d
        self._settings = settings or FusionSettings()
        self._grid = new_grid(self._settings.voxel_m, INITIAL_BLOCKS)
        self._chunks = Chunks(self._settings.voxel_m)
        self._frames = 0

    @property
    def block_m(self) -> float:
        """The side of a block, meters."""
        return BLOCK_RESOLUTION * self._settings.voxel_m

    @property
    def chunks_extracted(self) -> int:
        """How many chunks all clouds together took so far; see :class:`Chunks`."""
        return self._chunks.extracted

    def blocks_of(self, frame: Frame) -> npt.NDArray[np.int32]:
        """(B, 3) the blocks that a frame sees a surface in; none without depth in range."""
        depth = self._in_range(frame)
        if not depth.any():
            return np.zeros((0, 3), np.int32)
        s, o3d = self._settings, self._o3d
        intrinsic = o3d.core.Tensor(frame.intrinsics.matrix)
        blocks = self._grid.compute_unique_block_coordinates(
            o3d.t.geometry.Image(depth), intrinsic, _extrinsic(o3d, frame), 1.0, s.max_depth_m,
            s.truncation_voxels,
        )
        result: npt.NDArray[np.int32] = blocks.numpy()
        return result

    def integrate(self, frame: Frame, blocks: npt.NDArray[np.int32] | None = None) -> None:
        """Add one frame to ``blocks`` (B, 3), or to all that it sees."""
        blocks = self.blocks_of(frame) if blocks is None else blocks
        if not len(blocks):
            return
        s, o3d = self._settings, self._o3d
        self._chunks.touch(blocks)
        self._grid = with_room(self._grid, len(blocks), s.voxel_m)
        depth = o3d.t.geometry.Image(self._in_range(frame))
        color = o3d.t.geometry.Image(frame.rgb.astype(np.float32) / np.float32(255.0))
        # Open3D drops the fraction of a pixel's coordinates; half a pixel more rounds them.
        matrix = frame.intrinsics.matrix
        matrix[:2, 2] += 0.5
        rounding = o3d.core.Tensor(matrix)
        self._grid.integrate(
            o3d.core.Tensor(blocks), depth, color, rounding, rounding, _extrinsic(o3d, frame),
            1.0, s.max_depth_m, s.truncation_voxels,
        )
        self._frames += 1

    def reset(self, blocks: npt.NDArray[np.int32]) -> None:
        """Take these blocks (B, 3) out, as if they had not been seen."""
        self._chunks.touch(blocks)
        erase(self._grid, blocks)

    def _in_range(self, frame: Frame) -> npt.NDArray[np.float32]:
        near = frame.depth <= self._settings.max_depth_m
        return np.ascontiguousarray(np.where(near, frame.depth, np.float32(0.0)), np.float32)

    def cloud(self, frames: int | None = None) -> Cloud:
        """The surface seen so far, in the map frame, by chunk and place as :class:`Chunks` has it.

        frames: how many have been fused, if some only into a part of what they see.
        """
        count = self._frames if frames is None else frames
        if not count:
            return Cloud.empty()
        threshold = min(self._settings.min_weight, float(count)) - 0.5
        return self._chunks.cloud(self._grid, max(threshold, 0.0))


class IncrementalFusion:
    """Fuses keyframes; of those that see a block it is made of a bounded number.

    blocks_fused: of all frames together, so far.
    """

    def __init__(self, settings: FusionSettings):
        self._settings = settings
        self.blocks_fused = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything but the count."""
        self._fuser = Fuser(self._settings)
        self._seen: dict[int, tuple[FrameKey, SeenBlocks]] = {}
        self._made_of: dict[int, tuple[int, ...]] = {}
        self._unfinished: set[int] = set()
        self._cloud: Cloud | None = None

    def cloud(self, frames: KeyframeStore, job: Job) -> Cloud:
        """The cloud of all ``frames``; the same object if they are the same.

        Where a cancel or a frame that fails ends it, the next call begins those blocks anew.
        """
        keys = {stamp: frames.key(stamp) for stamp in frames.stamps}
        known = {s: entry for s, entry in self._seen.items() if entry[0] == keys.get(s)}
        gone = {s: blocks for s, (_, blocks) in self._seen.items() if s not in known}
        new = {stamp: self._blocks_of(frames, stamp) for stamp in keys if stamp not in known}
        if self._cloud is not None and not (new or gone or self._unfinished):
            return self._cloud
        self._cloud = None
        seen = {s: known[s][1] if s in known else new[s] for s in keys}
        touched = np.unique(np.concatenate([
            *(blocks.keys for blocks in gone.values()), *(blocks.keys for blocks in new.values()),
            np.array(sorted(self._unfinished), np.int64),
        ]))
        for stamp, blocks in gone.items():
            self._doubt(stamp, blocks)
        most = self._settings.frames_a_block or len(seen)
        made_of = choose_frames(seen, touched, most)
        self._fuse(changes(self._made_of, made_of, touched.tolist()), frames, job)
        for block in touched.tolist():
            self._made_of.pop(block, None)
        self._made_of.update(made_of)
        self._unfinished.clear()
        self._seen = {stamp: (keys[stamp], seen[stamp]) for stamp in keys}
        self._cloud = self._fuser.cloud(sum(len(blocks.keys) > 0 for blocks in seen.values()))
        return self._cloud

    def _blocks_of(self, frames: KeyframeStore, stamp: int) -> SeenBlocks:
        with blaming(stamp):
            frame = frames[stamp]
            blocks = self._fuser.blocks_of(frame)
            return SeenBlocks.of(blocks, frame.map_from_camera[:3, 3], self._fuser.block_m)

    def _doubt(self, stamp: int, blocks: SeenBlocks) -> None:
        """Have the blocks made anew that are made of a frame that moved or is another now."""
        for block in blocks.keys.tolist():
            if stamp in self._made_of.get(block, ()):
                self._made_of[block] = UNKNOWN

    def _fuse(self, todo: Changes, frames: KeyframeStore, job: Job) -> None:
        for blocks in (todo.reset, *todo.frames.values()):
            self._unfinished.update(blocks.tolist())
        self._made_of.update(dict.fromkeys(self._unfinished, UNKNOWN))
        self._fuser.reset(unpack(todo.reset))
        for done, (stamp, blocks) in enumerate(todo.frames.items()):
            job.step("fuse", done, len(todo.frames))
            with blaming(stamp):
                self._fuser.integrate(frames[stamp], unpack(blocks))
            self.blocks_fused += len(blocks)


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


def _extrinsic(o3d: Any, frame: Frame) -> Any:
    """camera_from_map as a tensor."""
    return o3d.core.Tensor(np.linalg.inv(frame.map_from_camera))


def _unit_or_zero(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """(n, 3) rows scaled to length one, or zero where they have no direction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(np.isfinite(unit).all(axis=1, keepdims=True), unit, 0.0).astype(np.float32)

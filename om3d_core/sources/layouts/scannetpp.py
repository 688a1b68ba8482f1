"""ScanNet++: the iPhone stream of a scene, as its toolbox extracts it, and the aligned mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from om3d_core.data.frame import Intrinsics
from om3d_core.data.poses import NS_PER_S, Transform
from om3d_core.errors import SourceError
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.segments import SCANNETPP_MESH, read_json
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import MILLIMETERS, Conventions, FrameFiles, Listing
from om3d_core.streams.settings import RecordedStreamSettings

CAMERAS = "iphone/pose_intrinsic_imu.json"
COLOR, DEPTH = "iphone/rgb", "iphone/depth"
STREAM_SIZE = (1920, 1440)
RATE_HZ = 60.0


class ScanNetPPLayout:
    """``iphone/rgb/frame_NNNNNN.jpg``, ``iphone/depth/frame_NNNNNN.png`` in millimeters, and
    ``iphone/pose_intrinsic_imu.json``, a camera a frame. Poses are those of the aligned mesh."""

    files = (
        "ScanNet++: iphone/ with pose_intrinsic_imu.json, rgb/frame_N.jpg and depth/frame_N.png,"
        " and scans/mesh_aligned_0.05.ply"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there are the cameras of the iPhone stream."""
        return (path / CAMERAS).is_file()

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is; of a frame without images nothing is listed."""
        colors, depths = _named(path / COLOR, ".jpg"), _named(path / DEPTH, ".png")
        if not colors or not depths:
            raise SourceError(
                f"{path}: expected {COLOR}/frame_N.jpg and {DEPTH}/frame_N.png, as "
                "iphone/prepare_iphone_data.py of github.com/scannetpp/scannetpp extracts them, "
                f"found {len(colors)} and {len(depths)}"
            )
        frames = tuple(
            FrameFiles(colors.get(one.name), depths.get(one.name), one.map_from_camera,
                       one.stamp_ns, Camera(one.intrinsics.matrix, *STREAM_SIZE))
            for one in read_phone(path / CAMERAS)
            if one.name in colors or one.name in depths
        )  # fmt: skip
        mesh = path / "scans" / SCANNETPP_MESH
        return Listing(frames, conventions=Conventions(depth_units_per_m=MILLIMETERS),
                       cloud=mesh if mesh.is_file() else None)  # fmt: skip


@dataclass(frozen=True, eq=False)
class PhoneFrame:
    """A frame of the stream. map_from_camera (4, 4): as stored; intrinsics: at STREAM_SIZE."""

    name: str
    number: int
    map_from_camera: Transform
    intrinsics: Intrinsics

    @property
    def stamp_ns(self) -> int:
        """When it was taken, from the beginning."""
        return round(self.number * NS_PER_S / RATE_HZ)


def read_phone(path: Path) -> list[PhoneFrame]:
    """The frames of ``pose_intrinsic_imu.json``, in their order. Raises SourceError."""
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise SourceError(f"{path}: expected an object of frames")
    frames = []
    for name in sorted(content):
        digits = name.removeprefix("frame_")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            raise SourceError(f"{path}: expected names such as frame_000000, got {name!r:.80}")
        where, entry = f"{path}: {name}", content[name]
        try:
            pose = np.array(entry["aligned_pose"], np.float64)
            intrinsics = Intrinsics.from_matrix(entry["intrinsic"], *STREAM_SIZE)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise SourceError(f"{where}: expected aligned_pose and intrinsic: {error}") from error
        if pose.shape != (4, 4):
            raise SourceError(f"{where}: expected an aligned_pose (4, 4), got {pose.shape}")
        frames.append(PhoneFrame(name, int(digits), pose, intrinsics))
    return frames


def _named(folder: Path, suffix: str) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob(f"*{suffix}")}

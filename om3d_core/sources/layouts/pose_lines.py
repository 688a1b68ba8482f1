"""Images by frame and all poses in one file: KITTI's odometry, RTAB-Map's and evo's exports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from om3d_core.data.poses import Transform
from om3d_core.errors import SourceError
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.pose_text import PoseTable
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import FrameFiles, Listing, NoCameraError
from om3d_core.sources.layouts.names import are_stamps, stamps_of
from om3d_core.sources.layouts.own import camera_in, folder_of, images_of, matched, rate_hz
from om3d_core.sources.layouts.tables import by_order, by_stamp, poses_in
from om3d_core.streams.settings import RecordedStreamSettings

POSE_FILES = (
    "poses.txt", "pose.txt", "traj.txt", "trajectory.txt", "camera_poses.txt",
    "CameraTrajectory.txt", "KeyFrameTrajectory.txt", "traj_w_c.txt", "poses.csv", "poses.npy",
    "odometry.csv",
)  # fmt: skip


class PoseLinesLayout:
    """``color/``, ``depth/`` and ``poses.txt``: 12, 16 or 7 numbers a line, or 8 with a stamp."""

    files = (
        "color/, depth/, intrinsics and poses.txt (or traj.txt, trajectory.txt, ...) with a pose"
        " a line: 12 or 16 numbers (KITTI), tx ty tz qx qy qz qw, or these after a stamp, or after"
        " a stamp and a number (odometry.csv of Stray Scanner)"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is color and a file of poses, but no folder of them."""
        return (
            folder_of(path, "color") is not None
            and folder_of(path, "pose") is None
            and _file(path) is not None
        )

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        file = _file(path)
        if file is None:
            raise SourceError(f"{path}: no poses; expected one of {', '.join(POSE_FILES)}")
        return with_poses_of(file, poses_in(file), path, settings, streams)


def with_poses_of(
    file: Path, table: PoseTable, path: Path, settings: FolderSettings,
    streams: RecordedStreamSettings, camera_told: Camera | None = None,
) -> Listing:
    """The images of a recording with the poses of one file: by stamp where both have stamps, else
    by order. camera_told: the camera where no file of its own has one. Raises SourceError.
    """
    colors, depths = images_of(path)
    depths = matched(path, colors, depths, streams)
    stamps = stamps_of(colors, rate_hz(path, settings))
    poses: Sequence[Transform | None]
    if table.stamps_ns is not None and are_stamps(colors):
        poses = by_stamp(table, list(stamps.values()), streams)
    else:
        poses = by_order(file, table, list(colors))
    try:
        camera, camera_file = camera_in(path, settings)
    except NoCameraError:
        if camera_told is None:
            raise
        camera, camera_file = camera_told, file
    frames = tuple(
        FrameFiles(color, depths.get(key), pose, stamps[key])
        for (key, color), pose in zip(colors.items(), poses, strict=True)
    )
    return Listing(frames, camera, camera_file=camera_file)


def _file(path: Path) -> Path | None:
    return next((path / name for name in POSE_FILES if (path / name).is_file()), None)

"""Images by frame and all poses in one file: KITTI's odometry, RTAB-Map's and evo's exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from om3d_core.data.poses import Transform
from om3d_core.errors import SourceError
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.pose_text import PoseTable
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import FrameFiles, Listing, NoCameraError
from om3d_core.sources.layouts.names import are_stamps, stamps_of
from om3d_core.sources.layouts.own import camera_in, folder_of, images_of, matched, rate_hz
from om3d_core.sources.layouts.tables import by_name, by_order, by_stamp, json_poses_in, poses_in
from om3d_core.streams.settings import RecordedStreamSettings

POSE_FILES = (
    "poses.txt", "pose.txt", "traj.txt", "trajectory.txt", "camera_poses.txt",
    "CameraTrajectory.txt", "KeyFrameTrajectory.txt", "traj_w_c.txt", "poses.csv", "poses.npy",
    "odometry.csv",
)  # fmt: skip
JSON_FILES = "poses.json", "cameras.json", "trajectory.json"
OF_OTHERS = (
    "transforms.json", "transforms_train.json", "groundtruth.txt", "metadata.json", "sparse",
    "dense", "cameras.bin", "cameras.txt", "scene/trajectory.log", "trajectory.log",
    "camera_trajectory.json",
)  # fmt: skip
"""Files beside which poses in JSON are not what tells the layout."""


class PoseLinesLayout:
    """``color/``, ``depth/`` and ``poses.txt``: 12, 16 or 7 numbers a line, or 8 with a stamp; or
    ``poses.json``: matrices in the order of the images or by their names."""

    files = (
        "color/, depth/, intrinsics and poses.txt (or traj.txt, trajectory.txt, ...) with a pose"
        " a line: 12 or 16 numbers (KITTI), tx ty tz qx qy qz qw, or these after a stamp, or after"
        " a stamp and a number (odometry.csv of Stray Scanner); or poses.json with matrices"
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
        poses = json_poses_in(file) if file.suffix == ".json" else poses_in(file)
        return with_poses_of(file, poses, path, settings, streams)


def with_poses_of(
    file: Path, table: PoseTable | Mapping[str, Transform], path: Path, settings: FolderSettings,
    streams: RecordedStreamSettings, camera_told: Camera | None = None,
) -> Listing:
    """The images of a recording with the poses of one file: by name where it tells names, by stamp
    where both have stamps, else by order. camera_told: the camera where no file of its own has
    one. Raises SourceError.
    """
    colors, depths = images_of(path)
    depths = matched(path, colors, depths, streams)
    stamps = stamps_of(colors, rate_hz(path, settings))
    poses: Sequence[Transform | None]
    if not isinstance(table, PoseTable):
        poses = by_name(file, table, list(colors.values()))
    elif table.stamps_ns is not None and are_stamps(colors):
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
    other = any((path / name).exists() for name in OF_OTHERS)
    names = POSE_FILES if other else (*POSE_FILES, *JSON_FILES)
    return next((path / name for name in names if (path / name).is_file()), None)

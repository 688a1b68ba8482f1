"""What Open3D's reconstruction system leaves: images, a camera and scene/trajectory.log."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from om3d_core.data.poses import inverse
from om3d_core.errors import SourceError, expect, reason_of
from om3d_core.files import read_json
from om3d_core.formats.camera_files import Camera, camera_of
from om3d_core.formats.pose_text import PoseTable
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Listing
from om3d_core.sources.layouts.own import folder_of
from om3d_core.sources.layouts.pose_lines import with_poses_of
from om3d_core.sources.layouts.tables import poses_in
from om3d_core.streams.settings import RecordedStreamSettings

POSES = ("scene/trajectory.log", "trajectory.log", "camera_trajectory.json")
MAX_BYTES = 64 * 1024 * 1024


class Open3dLayout:
    """``color/``, ``depth/``, ``camera_intrinsic.json`` and ``scene/trajectory.log``, or the
    cameras of a PinholeCameraTrajectory, ``camera_trajectory.json``: world to camera, by columns.
    """

    files = (
        "Open3D's reconstruction system: color/ (or image/), depth/, camera_intrinsic.json and"
        " scene/trajectory.log, or camera_trajectory.json"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is color and a trajectory."""
        return folder_of(path, "color") is not None and _file(path).is_file()

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        file = _file(path)
        if file.suffix != ".json":
            return with_poses_of(file, poses_in(file), path, settings, streams)
        table, camera = _cameras(file)
        return with_poses_of(file, table, path, settings, streams, camera)


def _file(path: Path) -> Path:
    return next((path / name for name in POSES if (path / name).is_file()), path / POSES[0])


def _cameras(file: Path) -> tuple[PoseTable, Camera]:
    """The poses, camera to world, and the first camera of a trajectory of Open3D."""
    try:
        entries = read_json(file, MAX_BYTES)["parameters"]
        stored = np.array([entry["extrinsic"] for entry in entries], np.float64)
        expect(stored.ndim == 2 and stored.shape[1] == 16, "extrinsic of 16 numbers", stored.shape)
        poses = [inverse(matrix.T) for matrix in stored.reshape(-1, 4, 4)]
        return PoseTable(np.stack(poses)), camera_of(entries[0]["intrinsic"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SourceError(
            f"{file}: expected parameters with an extrinsic and an intrinsic each, got "
            f"{reason_of(error)}"
        ) from error

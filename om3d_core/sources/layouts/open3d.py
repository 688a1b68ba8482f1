"""What Open3D's reconstruction system leaves: images, a camera and scene/trajectory.log."""

from __future__ import annotations

from pathlib import Path

from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Listing
from om3d_core.sources.layouts.own import folder_of
from om3d_core.sources.layouts.pose_lines import with_poses_of
from om3d_core.streams.settings import RecordedStreamSettings

POSES = ("scene/trajectory.log", "trajectory.log")


class Open3dLayout:
    """``color/``, ``depth/``, ``camera_intrinsic.json`` and ``scene/trajectory.log``."""

    files = (
        "Open3D's reconstruction system: color/ (or image/), depth/, camera_intrinsic.json and"
        " scene/trajectory.log"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is color and a trajectory."""
        return folder_of(path, "color") is not None and _file(path).is_file()

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        return with_poses_of(_file(path), path, settings, streams)


def _file(path: Path) -> Path:
    return next((path / name for name in POSES if (path / name).is_file()), path / POSES[0])

"""ScanNet's .sens: one file with the frames, beside the mesh of the scan."""

from __future__ import annotations

from pathlib import Path

from om3d_core.data.poses import NS_PER_S
from om3d_core.errors import InputError, SourceError
from om3d_core.formats.segments import SCANNET_MESH
from om3d_core.formats.sens import SUFFIX, read_sens
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Conventions, FrameFiles, Listing
from om3d_core.sources.layouts.own import OwnLayout
from om3d_core.streams.settings import RecordedStreamSettings


class SensLayout:
    """``ID.sens``, alone or in a folder; frame 12 is named ``ID.sens/color/12`` where it is told.

    The cloud is ``ID_vh_clean_2.ply`` beside it.
    """

    files = "ScanNet: ID.sens, or a folder with it, and ID_vh_clean_2.ply beside it"

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether it is a .sens, or holds one that was not exported into folders beside it."""
        if path.is_file():
            return path.suffix.lower() == SUFFIX
        return not OwnLayout.recognizes(path) and bool(_inside(path))

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        files = _inside(path) if path.is_dir() else [path]
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise SourceError(f"{path}: expected one {SUFFIX} file, got {names}")
        (file,) = files
        try:
            sens = read_sens(file)
        except InputError as error:
            raise SourceError(str(error)) from error
        frames = tuple(
            FrameFiles(file / f"color/{number}", file / f"depth/{number}", frame.map_from_camera,
                       round(number * NS_PER_S / settings.rate_hz))
            for number, frame in enumerate(sens.frames)
        )  # fmt: skip
        mesh = file.with_name(f"{file.stem}{SCANNET_MESH}")
        return Listing(
            frames, sens.camera, Conventions(depth_units_per_m=sens.camera.depth_units_per_m),
            camera_file=file, cloud=mesh if mesh.is_file() else None,
            read_color=lambda color: sens.color(int(color.name)),
            color_size=lambda _: (sens.camera.width, sens.camera.height),
            read_depth=lambda depth: sens.depth(int(depth.name)),
            depth_size=lambda _: sens.depth_size,
        )


def _inside(path: Path) -> list[Path]:
    return sorted(file for file in path.glob(f"*{SUFFIX}") if file.is_file())

"""ARKitScenes: lowres_wide, lowres_depth, lowres_wide_intrinsics and lowres_wide.traj."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from om3d_core.errors import InputError, SourceError, expect
from om3d_core.formats import color_files, depth_files
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.pose_text import PoseTable, stamps_of
from om3d_core.formats.text_matrix import read_numbers, read_rows
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts import names
from om3d_core.sources.layouts.base import MILLIMETERS, Conventions, FrameFiles, Listing
from om3d_core.sources.layouts.tables import by_stamp
from om3d_core.streams.settings import RecordedStreamSettings

COLOR, DEPTH, CAMERAS = "lowres_wide", "lowres_depth", "lowres_wide_intrinsics"
POSES = "lowres_wide.traj"


class ArkitScenesLayout:
    """Images named ID_SECONDS; a trajectory of stamps, rotation vectors and translations from
    world to camera, optical axes; depth in millimeters."""

    files = f"ARKitScenes: {COLOR}/, {DEPTH}/, {CAMERAS}/ and {POSES}"

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there are images and a trajectory."""
        return (path / COLOR).is_dir() and (path / POSES).is_file()

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        colors, depths, pincams = (
            _stamped(path / name, suffixes)
            for name, suffixes in ((COLOR, color_files.SUFFIXES), (DEPTH, depth_files.SUFFIXES),
                                   (CAMERAS, (".pincam",)))
        )
        slop_ns = streams.sync.slop_ns
        depth_of = names.nearest(colors, depths, slop_ns)
        camera_of = names.nearest(colors, pincams, slop_ns)
        poses = by_stamp(_trajectory(path / POSES), list(colors), streams)
        frames = []
        for (stamp, color), pose in zip(colors.items(), poses, strict=True):
            camera, fault = _camera(camera_of[stamp]) if stamp in camera_of else (None, "")
            frames.append(FrameFiles(color, depth_of.get(stamp), pose, stamp, camera, fault))
        meant = Conventions(pose="camera_from_map", depth_units_per_m=MILLIMETERS)
        return Listing(tuple(frames), None, meant, camera_file=path / CAMERAS)


def _stamped(folder: Path, suffixes: tuple[str, ...]) -> dict[int, Path]:
    """The files of a folder by stamp in ns, ascending: the last number of ID_SECONDS."""
    found = names.keyed(folder, suffixes)
    by_time = {(key[-1],): path for key, path in found.items()}
    if not by_time or not names.are_stamps(by_time):
        raise SourceError(f"{folder}: expected files named ID_SECONDS, found "
                          f"{next((path.name for path in found.values()), 'none')}")
    return {stamp: by_time[key] for key, stamp in names.stamps_of(by_time, 1.0).items()}


def _trajectory(path: Path) -> PoseTable:
    """The poses, world to camera."""
    try:
        rows = read_rows(path)
        expect(bool(rows) and {len(row) for row in rows} == {7}, "7 numbers a line: stamp, "
               "rotation vector, translation", sorted({len(row) for row in rows})[:4])
        table = np.stack(rows)
        expect(bool(np.isfinite(table).all()), "finite numbers", "others")
        poses = np.tile(np.eye(4), (len(table), 1, 1))
        poses[:, :3, :3] = Rotation.from_rotvec(table[:, 1:4]).as_matrix()
        poses[:, :3, 3] = table[:, 4:]
        return PoseTable(poses, stamps_of(table[:, 0]))
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error


def _camera(path: Path) -> tuple[Camera | None, str]:
    """The camera of a frame, or why there is none."""
    try:
        numbers = read_numbers(path)
        expect(len(numbers) == 6, "width height fx fy cx cy", f"{len(numbers)} numbers")
        width, height, *four = numbers.tolist()
        return Camera.of(*four, width=int(width), height=int(height)), ""
    except (ValueError, OverflowError) as error:
        return None, f"{path}: {error}"

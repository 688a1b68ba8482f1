"""Polycam's raw data: keyframes/ with images, depth and a camera file each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from om3d_core.data.poses import Transform
from om3d_core.errors import SourceError
from om3d_core.files import read_json
from om3d_core.formats import color_files, depth_files
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.text_matrix import MAX_TEXT_BYTES
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import MILLIMETERS, Conventions, FrameFiles, Listing
from om3d_core.sources.layouts.names import keyed, stamps_of
from om3d_core.streams.settings import RecordedStreamSettings

KINDS = (("corrected_images", "corrected_cameras"), ("images", "cameras"))
"""Images and cameras; those that were aligned after the capture first."""


class PolycamLayout:
    """``keyframes/images/T.jpg``, ``keyframes/depth/T.png`` and ``keyframes/cameras/T.json``, or
    the corrected ones: ARKit's axes (OpenGL), meters, y up; depth in millimeters."""

    files = (
        "Polycam's raw data: keyframes/ with images, cameras (or corrected_images and"
        " corrected_cameras) and depth"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there are cameras of keyframes."""
        return any((path / "keyframes" / cameras).is_dir() for _, cameras in KINDS)

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        folder = path / "keyframes"
        depths = keyed(folder / "depth", depth_files.SUFFIXES)
        for images, cameras in KINDS:
            colors = keyed(folder / images, color_files.SUFFIXES)
            files = keyed(folder / cameras, (".json",))
            if colors and files and depths:
                break
        else:
            raise SourceError(
                f"{folder}: expected images/, cameras/ and depth/ (LiDAR or Room mode), found "
                f"{len(depths)} depth images"
            )
        keys = sorted({*colors, *files})
        stamps = stamps_of(keys, settings.rate_hz)
        frames = []
        for key in keys:
            camera, pose, fault = _camera(files[key]) if key in files else (None, None, "")
            frames.append(
                FrameFiles(colors.get(key), depths.get(key), pose, stamps[key], camera, fault)
            )
        meant = Conventions(camera_axes="opengl", depth_units_per_m=MILLIMETERS)
        return Listing(tuple(frames), None, meant, camera_file=folder / cameras)


def _camera(path: Path) -> tuple[Camera | None, Transform | None, str]:
    """The camera and its pose, camera to world; or why there are none."""
    try:
        content = read_json(path, MAX_TEXT_BYTES)
        fx, fy, cx, cy = (float(content[name]) for name in ("fx", "fy", "cx", "cy"))
        size = int(content["width"]), int(content["height"])
        rows = [[float(content[f"t_{row}{column}"]) for column in range(4)] for row in range(3)]
        pose = np.array([*rows, [0.0, 0.0, 0.0, 1.0]])
        return Camera.of(fx, fy, cx, cy, width=size[0], height=size[1]), pose, ""
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        expected = "fx, fy, cx, cy, width, height and t_00 .. t_23"
        return None, None, f"{path}: expected {expected}, got {error!r:.200}"

"""Frames from listed files, each with a pose and intrinsics of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame, Intrinsics, clean_depth
from om3d_core.data.poses import camera_pose
from om3d_core.errors import InputError
from om3d_core.formats.image_files import read_image_file, resize_color
from om3d_core.sources.base import SkipCount


@dataclass(frozen=True, eq=False)
class RgbdFile:
    """One frame on disk; map_from_camera (4, 4) as stored, perhaps not rigid.

    intrinsics: those of the frames to make, at their size.
    """

    color: Path
    depth: Path
    map_from_camera: npt.NDArray[np.float64]
    intrinsics: Intrinsics
    stamp_ns: int


class RgbdFiles:
    """Reads frames at the size of their intrinsics: color averaged, depth by nearest pixel."""

    def __init__(self, files: Sequence[RgbdFile], depth_units_per_m: float):
        self._files = files
        self._depth_units_per_m = depth_units_per_m
        self.skipped = SkipCount()

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        self.skipped.clear()
        for file in self._files:
            frame = self._read(file)
            if isinstance(frame, str):
                self.skipped.add(frame)
            else:
                yield frame

    def _read(self, file: RgbdFile) -> Frame | str:
        """The frame, or the reason why there is none."""
        for kind, path in (("color", file.color), ("depth", file.depth)):
            if not path.is_file():
                return f"{kind} missing"
        try:
            map_from_camera = camera_pose(file.map_from_camera)
        except InputError:
            return "pose invalid"
        size = file.intrinsics.width, file.intrinsics.height
        try:
            rgb = resize_color(read_image_file(file.color, color=True), *size)
        except InputError:
            return "color unreadable"
        try:
            depth = clean_depth(read_image_file(file.depth, color=False), self._depth_units_per_m)
        except InputError:
            return "depth unreadable"
        return Frame(
            rgb, resize_depth(depth, *size), file.intrinsics, map_from_camera, file.stamp_ns
        )


def resize_depth(
    depth: npt.NDArray[np.float32], width: int, height: int
) -> npt.NDArray[np.float32]:
    """(height, width) depth by nearest pixel; no depth is invented between two surfaces."""
    if depth.shape == (height, width):
        return depth
    resized = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.float32)

"""What a layout finds in a folder: files by frame, and what their numbers mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from om3d_core.data.poses import Transform
from om3d_core.errors import SourceError
from om3d_core.formats.camera_files import Camera
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.streams.settings import RecordedStreamSettings

MILLIMETERS = 1000.0


@dataclass(frozen=True, eq=False)
class FrameFiles:
    """The files of one frame; None for one that is missing.

    pose: a file, or the pose (4, 4) as it is stored. camera: one of its own, None for the
    recording's. fault: why the frame cannot be used, where that is known before it is read.
    """

    color: Path | None
    depth: Path | None
    pose: Path | Transform | None
    stamp_ns: int
    camera: Camera | None = None
    fault: str = ""


@dataclass(frozen=True)
class Conventions:
    """What the numbers of a layout mean; the names are those of FolderSettings.

    depth_units_per_m: of integers, float_units_per_m: of floating point depth; 0 where the
    layout does not say, so that the settings ``depth.*`` hold. images: ``raw`` where the
    distortion that comes with a camera is to be taken out of them, else ``rectified``.
    """

    pose: str = "map_from_camera"
    camera_axes: str = "optical"
    depth_along: str = "axis"
    depth_units_per_m: float = 0.0
    float_units_per_m: float = 0.0
    images: str = "rectified"


@dataclass(frozen=True, eq=False)
class Listing:
    """A recording: its frames by ascending stamp, and their camera if they share one.

    camera_of: ``color`` or ``depth``, whose images the shared camera is for where it does not
    tell their size. camera_file: where it is from. cloud: the reconstruction, where the layout
    knows which it is. read_color, color_size, read_depth, depth_size: for images in a format of
    the layout's own, an array as read_color_file or read_depth_file gives, and its width and
    height. keep: what the files need as long as they are read, such as a temporary folder.
    """

    frames: tuple[FrameFiles, ...]
    camera: Camera | None = None
    conventions: Conventions = field(default_factory=Conventions)
    camera_of: str = "color"
    camera_file: Path | None = None
    cloud: Path | None = None
    read_color: Callable[[Path], npt.NDArray[np.uint8]] | None = None
    color_size: Callable[[Path], tuple[int, int]] | None = None
    read_depth: Callable[[Path], npt.NDArray[Any]] | None = None
    depth_size: Callable[[Path], tuple[int, int]] | None = None
    keep: object = None


class Layout(Protocol):
    """A registered layout."""

    files: str
    """The files that make it up, as a noun phrase for help and messages."""

    def recognizes(self, path: Path) -> bool:
        """Whether ``path`` holds these files; reads no more than names."""

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is. SourceError where no frame could ever be read."""


class NoCameraError(SourceError):
    """A recording without intrinsics."""

    def __init__(self, path: Path, expected: str):
        super().__init__(
            f"{path}: no intrinsics; expected {expected}, or give them: "
            '--folder.intrinsics "fx fy cx cy"'
        )

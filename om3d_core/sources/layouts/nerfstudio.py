"""nerfstudio's transforms.json, as converters of Polycam, Record3D and others write it, too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.data.poses import NS_PER_S
from om3d_core.errors import InputError, SourceError, expect
from om3d_core.files import read_json
from om3d_core.formats import color_files, depth_files
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.color_files import color_file_size
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import (
    MILLIMETERS,
    Conventions,
    FrameFiles,
    Listing,
    NoCameraError,
)
from om3d_core.sources.layouts.names import NUMBER, keyed
from om3d_core.sources.layouts.own import folder_of, rate_hz
from om3d_core.streams.settings import RecordedStreamSettings

FILES = "transforms.json", "transforms_train.json"
DEPTH_NAMES = ("depth_file_path", "depth_path")
OPENCV = ("k1", "k2", "p1", "p2", "k3")
FISHEYE = ("k1", "k2", "k3", "k4")
MODELS = ("OPENCV", "OPENCV_FISHEYE", "PINHOLE", "SIMPLE_PINHOLE", "")


class NerfstudioLayout:
    """Frames of ``file_path``, ``depth_file_path`` and ``transform_matrix`` in transforms.json:
    OpenGL axes, camera to world, depth in millimeters also where it is floating point. Where no
    frame names its depth, that of ``depth/`` by the names of the images."""

    files = "nerfstudio: transforms.json with depth_file_path, and the images that it names"

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is a transforms.json, or one of the frames to train with."""
        return any((path / name).is_file() for name in FILES)

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        file = next((path / name for name in FILES if (path / name).is_file()), path / FILES[0])
        try:
            content = read_json(file)
            expect(isinstance(content, dict) and isinstance(content.get("frames"), list),
                   "an object with a list of frames", type(content).__name__)
            entries = content["frames"]
            expect(bool(entries), "frames", "an empty list")
            shared = {name: value for name, value in content.items() if name != "frames"}
            rate = rate_hz(path, settings)
            scale = float(content.get("integer_depth_scale", 0.0))
            expect(0 <= scale <= 1, "an integer_depth_scale of meters a unit", scale)
            frames = [
                _frame(path, entry, shared, round(i * NS_PER_S / rate), settings)
                for i, entry in enumerate(sorted(entries, key=_order))
            ]
            if all(frame.depth is None for frame in frames):
                frames = _with_depth_beside(path, frames)
            expect(any(frame.depth for frame in frames),
                   "frames with depth_file_path (ns-process-data with depth), or depth/ with names"
                   " as those of the images", "none with depth")
        except (OSError, ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise SourceError(f"{file}: {_said(error)}") from error
        units = 1 / scale if scale else MILLIMETERS
        meant = Conventions(camera_axes="opengl", depth_units_per_m=units,
                            float_units_per_m=MILLIMETERS, images="raw")  # fmt: skip
        return Listing(tuple(frames), None, meant, camera_file=file)


def _frame(
    path: Path, entry: Any, shared: Mapping[str, Any], stamp_ns: int, settings: FolderSettings
) -> FrameFiles:
    expect(isinstance(entry, dict) and isinstance(entry.get("file_path"), str),
           "frames with a file_path", repr(entry)[:60])
    name = entry["file_path"]
    pose = np.array(entry["transform_matrix"], np.float64)
    if pose.shape == (3, 4):
        pose = np.vstack([pose, [0.0, 0.0, 0.0, 1.0]])
    expect(pose.shape == (4, 4), f"{name}: a transform_matrix of 4x4", pose.shape)
    depth = _depth(entry)
    color = path / name
    if not color.suffix:
        color = color.with_suffix(".png")
    camera = None if settings.intrinsics else _camera(path, color, {**shared, **entry})
    return FrameFiles(color, path / depth if depth else None, pose, stamp_ns, camera)


def _with_depth_beside(path: Path, frames: Sequence[FrameFiles]) -> list[FrameFiles]:
    """The frames with the images of a folder of depth that belong to them by their names."""
    depth, colors = folder_of(path, "depth"), {f.color.parent for f in frames if f.color}
    if depth is None or len(colors) != 1:
        return list(frames)
    depths = keyed(depth, depth_files.SUFFIXES)
    keys = {file: key for key, file in keyed(colors.pop(), color_files.SUFFIXES).items()}
    found = {file: depths[key] for file, key in keys.items() if key in depths}
    return [
        replace(frame, depth=found.get(frame.color) if frame.color else None) for frame in frames
    ]


def _camera(path: Path, color: Path, values: Mapping[str, Any]) -> Camera:
    """The camera of a frame, for the size of its image where it tells none. Raises
    NoCameraError."""
    name, width, height = color.name, int(values.get("w", 0)), int(values.get("h", 0))
    if not {"fl_x", "camera_angle_x"} & values.keys():
        raise NoCameraError(path, "fl_x, or camera_angle_x, in transforms.json")
    if not (width and height) and not {"fl_x", "cx", "cy"} <= values.keys():
        width, height = color_file_size(color)
    if "fl_x" in values:
        fx = float(values["fl_x"])
    else:
        fx = 0.5 * width / math.tan(0.5 * float(values["camera_angle_x"]))
    fy = float(values.get("fl_y", fx))
    cx, cy = float(values.get("cx", width / 2)), float(values.get("cy", height / 2))
    model = str(values.get("camera_model", ""))
    expect(model in MODELS, f"{name}: a camera_model of {', '.join(MODELS[:-1])}", repr(model))
    fisheye = model == "OPENCV_FISHEYE"
    lens = [float(values.get(term, 0.0)) for term in (FISHEYE if fisheye else OPENCV)]
    if not any(lens) and not fisheye:
        return Camera.of(fx, fy, cx, cy, width=width, height=height)
    return Camera.of(fx, fy, cx, cy, width=width, height=height,
                     model="equidistant" if fisheye else "plumb_bob", distortion=tuple(lens))


def _depth(entry: Mapping[str, Any]) -> str:
    return next((str(entry[name]) for name in DEPTH_NAMES if entry.get(name)), "")


def _order(entry: Any) -> tuple[list[int], str]:
    """Frames by the numbers of their names, as that is how they were taken."""
    name = str(entry.get("file_path", "")) if isinstance(entry, dict) else ""
    return [int(text) for text in NUMBER.findall(Path(name).stem) if text.isdecimal()], name


def _said(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    return f"expected frames with file_path, depth_file_path and transform_matrix, got {error!r}"

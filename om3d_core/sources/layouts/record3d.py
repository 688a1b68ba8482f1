"""Record3D's .r3d: a zip, or what it unpacks to, of metadata and rgbd/N.jpg, rgbd/N.depth."""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import MAX_ENCODED_BYTES, check_sides
from om3d_core.data.poses import NS_PER_S, Transform
from om3d_core.errors import InputError, SourceError, expect
from om3d_core.files import read_json
from om3d_core.formats import color_files, depth_files
from om3d_core.formats.camera_files import Camera, matrix_of
from om3d_core.formats.image_files import read_encoded
from om3d_core.formats.lzfse import is_lzfse, unpacked, unpacked_size
from om3d_core.formats.pose_text import pose_of
from om3d_core.formats.zip_files import open_zip
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Conventions, FrameFiles, Listing
from om3d_core.streams.settings import RecordedStreamSettings

FOLDER, METADATA, SUFFIX = "rgbd", "metadata", ".r3d"
NUMBER = re.compile(r"\d{1,9}")
ENTRY = re.compile(rf"{FOLDER}/\d+\.(jpg|depth)")
EXPORTED = "metadata.json", "rgb", "depth"
"""What the app exports as a sequence of JPEG and EXR: the metadata and the folders."""
USUAL_SIZES, SIZE_SAMPLES = ((256, 192), (640, 480)), 8
"""Of depth by LiDAR and by the TrueDepth camera, where metadata has no dw and dh."""


class Record3dLayout:
    """``metadata`` (JSON: K by columns, poses qx qy qz qw tx ty tz) and ``rgbd/``: OpenGL axes,
    camera to world, depth as float32 meters, raw or packed with LZFSE."""

    files = (
        "Record3D: an .r3d file, or unpacked, metadata and rgbd/ with N.jpg and N.depth; or its"
        " export, metadata.json, rgb/N.jpg and depth/N.exr"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether it is an .r3d, or has frames and metadata."""
        if path.suffix.lower() == SUFFIX and path.is_file():
            return True
        metadata, color, depth = (path / name for name in EXPORTED)
        exported = metadata.is_file() and color.is_dir() and depth.is_dir()
        return exported or ((path / FOLDER).is_dir() and (path / METADATA).is_file())

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        given, unpacked_to = path, _unpack(path) if path.is_file() else None
        path = Path(unpacked_to.name) if unpacked_to else path
        exported = not (path / FOLDER).is_dir()
        file = path / (EXPORTED[0] if exported else METADATA)
        suffixes = depth_files.SUFFIXES if exported else (".depth",)
        depths = _numbered(path / (EXPORTED[2] if exported else FOLDER), suffixes)
        try:
            told = read_json(file)
            width, height = int(told["w"]), int(told["h"])
            depth_size = int(told.get("dw", width)), int(told.get("dh", height))
            if not exported and not {"dw", "dh"} & told.keys():
                depth_size = _size_by_bytes(depths.values(), width, height) or depth_size
            check_sides(*depth_size)
            matrix = matrix_of(np.array(told["K"], np.float64).reshape(-1))
            camera = Camera(matrix, width, height)
            rate = float(told.get("fps", settings.rate_hz))
            expect(0 < rate < 1e4, "fps of 0 .. 10000", rate)
            poses = np.array(told["poses"], np.float64)
            expect(poses.ndim == 2 and poses.shape[1] == 7, "poses of 7 numbers", poses.shape)
            own = _own_cameras(told, camera)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            where = f"{given}: {METADATA}" if unpacked_to else file
            raise SourceError(
                f"{where}: expected w, h, K and poses, got {error!r:.200}"
            ) from error
        colors = _numbered(path / (EXPORTED[1] if exported else FOLDER), color_files.SUFFIXES)
        if not colors or not depths:
            raise SourceError(f"{given}: expected N.jpg and N{suffixes[-1]} beside {file.name}, "
                              f"found {len(colors)} and {len(depths)}")  # fmt: skip
        frames = tuple(
            FrameFiles(color, depths.get(number),
                       _pose(poses[number]) if number < len(poses) else None,
                       round(number * NS_PER_S / rate), own.get(number))
            for number, color in sorted(colors.items())
        )  # fmt: skip
        meant = Conventions(camera_axes="opengl", float_units_per_m=1.0)
        if exported:
            return Listing(frames, camera, meant, camera_file=file)
        return Listing(
            frames, camera, meant, camera_file=None if unpacked_to else file,
            depth_size=lambda _: depth_size,
            read_depth=lambda depth: _read_depth(depth, depth_size), keep=unpacked_to,
        )


def _unpack(path: Path) -> tempfile.TemporaryDirectory[str]:
    """The metadata and frames of an .r3d in a folder that goes when nobody holds it."""
    folder = tempfile.TemporaryDirectory(prefix="om3d-r3d-")
    try:
        with open_zip(path) as archive:
            (Path(folder.name) / FOLDER).mkdir()
            for name in archive.entries:
                if name == METADATA or ENTRY.fullmatch(name):
                    content = archive.read(name, MAX_ENCODED_BYTES)
                    (Path(folder.name) / name).write_bytes(content)
    except InputError as error:
        raise SourceError(f"{path}: {error}; or unzip it and give the folder") from error
    return folder


def _numbered(folder: Path, suffixes: Collection[str]) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    found = (path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    return {int(path.stem): path for path in found if NUMBER.fullmatch(path.stem)}


def _size_by_bytes(depths: Iterable[Path], width: int, height: int) -> tuple[int, int] | None:
    """The only one of the usual sizes, or of the aspect of color, that has the bytes of most of
    the first images of depth; None where there is none."""
    check_sides(width, height)
    counts: Counter[int] = Counter()
    for path in islice(depths, SIZE_SAMPLES):
        with suppress(InputError):
            data = read_encoded(path)
            counts[unpacked_size(data) if is_lzfse(data) else len(data)] += 1
    pixels = counts.most_common(1)[0][0] / 4 if counts else 0
    usual = [(w, h) if width >= height else (h, w) for w, h in USUAL_SIZES]
    across, down = (side // math.gcd(width, height) for side in (width, height))
    times = round(math.sqrt(pixels / (across * down)))
    fit = {(w, h) for w, h in (*usual, (times * across, times * down)) if w * h == pixels}
    return fit.pop() if len(fit) == 1 else None


def _own_cameras(told: Any, camera: Camera) -> dict[int, Camera]:
    """The camera of each frame, where the focus moved."""
    given = told.get("perFrameIntrinsicCoeffs") or []
    return {
        number: Camera.of(*map(float, four), width=camera.width, height=camera.height)
        for number, four in enumerate(given)
    }


def _pose(numbers: npt.NDArray[np.float64]) -> Transform | None:
    """The pose of a quaternion x, y, z, w and a translation; None where it was lost."""
    try:
        return pose_of(np.concatenate([numbers[4:], numbers[:4]]))
    except InputError:
        return None


def _read_depth(path: Path, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    width, height = size
    data = read_encoded(path)
    if is_lzfse(data):
        data = unpacked(data, 4 * width * height)
    expect(len(data) == 4 * width * height, f"{width} x {height} float32, packed or not",
           f"{len(data)} bytes")
    return np.frombuffer(data, "<f4").reshape(height, width).astype(np.float32)

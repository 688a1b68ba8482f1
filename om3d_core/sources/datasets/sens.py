"""ScanNet's .sens files: the stream of color, depth and poses of one scan, version 4."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import check_sides, decode_file
from om3d_core.data.frame import Frame, Intrinsics, clean_depth
from om3d_core.data.poses import NS_PER_S, camera_pose
from om3d_core.errors import InputError, SourceError
from om3d_core.files import open_regular
from om3d_core.formats.image_files import resize_color
from om3d_core.sources.base import SkipCount

VERSION = 4
MAX_NAME_BYTES = 4096
MAX_FRAMES = 200_000
JPEG, ZLIB_U16 = 2, 1
RATE_HZ = 30.0
_FRAME = struct.Struct("<16f4Q")


@dataclass(frozen=True)
class _Header:
    color: Intrinsics
    depth_width: int
    depth_height: int
    units_per_m: float
    n_frames: int


@dataclass(frozen=True, eq=False)
class _Stored:
    """Where a frame lies: the pose, and the offset and length in bytes of color and depth."""

    pose: npt.NDArray[np.float64]
    offset: int
    color_bytes: int
    depth_bytes: int


class SensFile:
    """Every ``step``-th frame of a .sens file, at the size of its depth images, stamped at 30 Hz.

    faithful_intrinsics: scale the intrinsics with swapped axes, as OpenMask3D. Raises SourceError
    for a file of another kind; frames that cannot be read are skipped and counted.
    """

    def __init__(self, path: Path, step: int = 1, *, faithful_intrinsics: bool = False):
        self._path, self._step = path, step
        self.skipped = SkipCount()
        try:
            with open(open_regular(path), "rb") as file:
                self._header = _read_header(file)
                n_bytes = os.fstat(file.fileno()).st_size
                self._frames = _index(file, self._header.n_frames, n_bytes)
        except (OSError, struct.error, InputError) as error:
            raise SourceError(f"{path}: expected a .sens file, version 4: {error}") from error
        given, size = self._header.color, (self._header.depth_width, self._header.depth_height)
        resize = given.openmask3d_resized if faithful_intrinsics else given.resized
        self._intrinsics = resize(*size)

    def __len__(self) -> int:
        return len(range(0, len(self._frames), self._step))

    def __iter__(self) -> Iterator[Frame]:
        self.skipped.clear()
        with self._path.open("rb") as file:
            for number in range(0, len(self._frames), self._step):
                frame = self._read(file, number)
                if isinstance(frame, str):
                    self.skipped.add(frame)
                else:
                    yield frame

    def _read(self, file: BinaryIO, number: int) -> Frame | str:
        stored, size = self._frames[number], (self._intrinsics.width, self._intrinsics.height)
        try:
            pose = camera_pose(stored.pose)
        except InputError:
            return "pose invalid"
        file.seek(stored.offset)
        color, depth = file.read(stored.color_bytes), file.read(stored.depth_bytes)
        try:
            rgb = resize_color(decode_file(color, color=True), *size)
        except InputError:
            return "color unreadable"
        expected = 2 * size[0] * size[1]
        try:
            raw = zlib.decompressobj().decompress(depth, expected + 1)
        except zlib.error:
            return "depth unreadable"
        if len(raw) != expected:
            return "depth unreadable"
        units = np.frombuffer(raw, "<u2").reshape(size[::-1]).astype(np.uint16)
        stamp_ns = round(number * NS_PER_S / RATE_HZ)
        depth_m = clean_depth(units, self._header.units_per_m)
        return Frame(rgb, depth_m, self._intrinsics, pose, stamp_ns)


def _read_header(file: BinaryIO) -> _Header:
    version, name_bytes = struct.unpack("<IQ", file.read(12))
    if version != VERSION or name_bytes > MAX_NAME_BYTES:
        raise InputError(f"expected version {VERSION}, got {version}")
    file.seek(name_bytes, 1)
    raw = file.read(4 * 64)
    if len(raw) != 4 * 64:
        raise InputError("expected four calibration matrices, got the end of the file")
    matrices = np.frombuffer(raw, "<f4")
    color_kind, depth_kind, *sides = struct.unpack("<2i4I", file.read(24))
    units_per_m, n_frames = struct.unpack("<fQ", file.read(12))
    if (color_kind, depth_kind) != (JPEG, ZLIB_U16):
        raise InputError(f"expected JPEG color and zlib depth, got {color_kind}, {depth_kind}")
    if not n_frames <= MAX_FRAMES or not 0 < units_per_m < 1e6:
        raise InputError(f"expected frames and a depth scale, got {n_frames} and {units_per_m}")
    width, height, depth_width, depth_height = sides
    check_sides(width, height)
    check_sides(depth_width, depth_height)
    intrinsics = Intrinsics.from_matrix(matrices[:16].reshape(4, 4), width, height)
    return _Header(intrinsics, depth_width, depth_height, units_per_m, n_frames)


def _index(file: BinaryIO, n_frames: int, file_bytes: int) -> list[_Stored]:
    """The frames that lie whole within the file."""
    frames = []
    for _ in range(n_frames):
        head = file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            break
        *pose, _, _, color_bytes, depth_bytes = _FRAME.unpack(head)
        offset = file.tell()
        if offset + color_bytes + depth_bytes > file_bytes:
            break
        matrix = np.array(pose, np.float64).reshape(4, 4)
        frames.append(_Stored(matrix, offset, color_bytes, depth_bytes))
        file.seek(color_bytes + depth_bytes, 1)
    return frames

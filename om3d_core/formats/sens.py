"""ScanNet's .sens files: the stream of color, depth and poses of one scan, version 4."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import MAX_ENCODED_BYTES, check_sides, decode_file
from om3d_core.errors import InputError, expect, reason_of
from om3d_core.files import open_regular
from om3d_core.formats.camera_files import Camera

SUFFIX = ".sens"
VERSION = 4
MAX_NAME_BYTES = 4096
MAX_FRAMES = 200_000
JPEG, ZLIB_U16 = 2, 1
_FRAME = struct.Struct("<16f4Q")

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, eq=False)
class SensFrame:
    """One frame. map_from_camera (4, 4): as stored. The others: where color and depth lie."""

    map_from_camera: npt.NDArray[np.float64]
    offset: int
    color_bytes: int
    depth_bytes: int


@dataclass(frozen=True, eq=False)
class SensFile:
    """What a file holds. camera: of color, with the unit of depth."""

    path: Path
    camera: Camera
    depth_size: Size
    frames: tuple[SensFrame, ...]

    def color(self, number: int) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB of a frame. Raises InputError."""
        frame = self.frames[number]
        data = self._read(frame.offset, frame.color_bytes)
        return np.asarray(decode_file(data, color=True), np.uint8)

    def depth(self, number: int) -> npt.NDArray[np.uint16]:
        """(H, W) uint16 of a frame, in the file's unit. Raises InputError."""
        frame, (width, height) = self.frames[number], self.depth_size
        data = self._read(frame.offset + frame.color_bytes, frame.depth_bytes)
        expected = 2 * width * height
        try:
            raw = zlib.decompressobj().decompress(data, expected + 1)
        except zlib.error as error:
            raise InputError(f"expected depth packed by zlib, got {reason_of(error)}") from error
        if len(raw) != expected:
            raise InputError(f"expected {width} x {height} uint16, got {len(raw)} bytes")
        return np.frombuffer(raw, "<u2").reshape(height, width).astype(np.uint16)

    def _read(self, offset: int, n_bytes: int) -> bytes:
        expect(n_bytes <= MAX_ENCODED_BYTES, f"at most {MAX_ENCODED_BYTES} bytes", n_bytes)
        try:
            with open(open_regular(self.path), "rb") as file:
                file.seek(offset)
                return file.read(n_bytes)
        except OSError as error:
            raise InputError(f"expected a readable file, got {reason_of(error)}") from error


def read_sens(path: Path) -> SensFile:
    """The header of a file, and where its frames lie, as far as they are whole.

    Raises InputError.
    """
    try:
        with open(open_regular(path), "rb") as file:
            camera, depth_size, n_frames = _read_header(file)
            n_bytes = os.fstat(file.fileno()).st_size
            return SensFile(path, camera, depth_size, _index(file, n_frames, n_bytes))
    except (OSError, struct.error, InputError) as error:
        raise InputError(
            f"{path}: expected a .sens file, version {VERSION}: {reason_of(error)}"
        ) from error


def _read_header(file: BinaryIO) -> tuple[Camera, Size, int]:
    """The camera of color, the size of depth and the number of frames."""
    version, name_bytes = struct.unpack("<IQ", file.read(12))
    if version != VERSION or name_bytes > MAX_NAME_BYTES:
        raise InputError(f"expected version {VERSION}, got {version}")
    file.seek(name_bytes, 1)
    raw = file.read(4 * 64)
    if len(raw) != 4 * 64:
        raise InputError("expected four calibration matrices, got the end of the file")
    matrix = np.frombuffer(raw, "<f4")[:16].reshape(4, 4)[:3, :3].astype(np.float64)
    color_kind, depth_kind, *sides = struct.unpack("<2i4I", file.read(24))
    units_per_m, n_frames = struct.unpack("<fQ", file.read(12))
    if (color_kind, depth_kind) != (JPEG, ZLIB_U16):
        raise InputError(f"expected JPEG color and zlib depth, got {color_kind}, {depth_kind}")
    if not n_frames <= MAX_FRAMES or not 0 < units_per_m < 1e6:
        raise InputError(f"expected frames and a depth scale, got {n_frames} and {units_per_m}")
    width, height, depth_width, depth_height = sides
    check_sides(width, height)
    check_sides(depth_width, depth_height)
    camera = Camera(matrix, width, height, depth_units_per_m=units_per_m)
    return camera, (depth_width, depth_height), n_frames


def _index(file: BinaryIO, n_frames: int, file_bytes: int) -> tuple[SensFrame, ...]:
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
        frames.append(SensFrame(matrix, offset, color_bytes, depth_bytes))
        file.seek(color_bytes + depth_bytes, 1)
    return tuple(frames)

"""A frame as a map keeps it: encoded once, the same in memory, on disk and in a saved map."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import PNG_MAGIC, check_sides, decode_file, encoded_size
from om3d_core.data.frame import Frame, Intrinsics, check_near, check_rigid
from om3d_core.data.tables import MAX_STAMP_NS
from om3d_core.errors import InputError, expect, reason_of

DEPTH_UNITS_PER_M = 2000
MAX_DEPTH_UNITS = 65535
MAX_LEVEL = 2**31 - 1
LOSSLESS = 0
"""The ``jpeg_quality`` that keeps colors as they are, as PNG."""


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A posed RGB-D image whose pixels are encoded; what all work on is :meth:`frame`.

    color: a JPEG file, or a PNG file where it is lossless. depth: a PNG file of 16 bits a pixel,
    in half millimeters, 0 where there is none; beyond 32.7 m there is none. Both are of the size
    that ``intrinsics`` has. map_from_camera, stamp_ns and camera_frame: as in :class:`Frame`,
    up to the last stamp of a message. level: its quality; of two of one place the higher is kept.

    Encoding loses something, so a frame is encoded once: these bytes are kept, moved and saved.
    """

    color: bytes
    depth: bytes
    intrinsics: Intrinsics
    map_from_camera: npt.NDArray[np.float64]
    stamp_ns: int
    camera_frame: str = ""
    level: int = 0

    def __post_init__(self) -> None:
        expect(0 <= self.stamp_ns <= MAX_STAMP_NS, f"a stamp in 0..{MAX_STAMP_NS} ns",
               self.stamp_ns)
        expect(abs(self.level) <= MAX_LEVEL, f"a level within {MAX_LEVEL}", self.level)
        expect(self.map_from_camera.dtype == np.float64, "a pose of dtype float64",
               self.map_from_camera.dtype)
        try:
            check_rigid(self.map_from_camera)
            check_near(self.map_from_camera)
            self._check_size("color", self.color)
            self._check_size("depth", self.depth)
            kind = tuple(self.depth[24:26])
            expect(self.depth.startswith(PNG_MAGIC) and kind == (16, 0),
                   "depth, a gray PNG image of 16 bits", kind)
        except InputError as error:
            raise self._told(error) from error

    def _check_size(self, name: str, image: bytes) -> None:
        size = self.intrinsics.width, self.intrinsics.height
        check_sides(*size)
        try:
            found = encoded_size(image)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        expect(found == size, f"{name} of {size[0]} x {size[1]} pixels",
               f"{found[0]} x {found[1]}")

    @classmethod
    def of(cls, frame: Frame, level: int, jpeg_quality: int) -> Keyframe:
        """Encode a frame, its color with ``jpeg_quality`` of 1..100 or 0, which loses nothing.

        Depth in whole millimeters comes back to the bit, other depth within 1/4 mm. Raises
        :class:`InputError` for an image too large to be decoded again.
        """
        check_sides(frame.intrinsics.width, frame.intrinsics.height)
        return cls(
            _encode_color(frame.rgb, jpeg_quality), _encode_depth(frame.depth), frame.intrinsics,
            np.array(frame.map_from_camera, np.float64), frame.stamp_ns, frame.camera_frame, level,
        )

    def frame(self, units: npt.NDArray[np.uint16] | None = None) -> Frame:
        """The frame, decoded; always the same.

        units: :meth:`depth_units` if they are known. Sizes are checked by the headers before
        memory is taken. Raises :class:`InputError` that names the stamp if the pixels are damaged.
        """
        units = self.depth_units() if units is None else units
        try:
            return Frame(
                decode_file(self.color, color=True), depth_in_meters(units), self.intrinsics,
                self.map_from_camera, self.stamp_ns, self.camera_frame,
            )
        except InputError as error:
            raise self._told(error) from error

    def depth_units(self) -> npt.NDArray[np.uint16]:
        """The depth (H, W), decoded, in half millimeters; raises as :meth:`frame`."""
        try:
            units = decode_file(self.depth, color=False)
            expect(units.dtype == np.uint16, "depth of dtype uint16", units.dtype)
        except InputError as error:
            raise self._told(error) from error
        return units

    def images_sum(self) -> int:
        """A sum (CRC-32) of the images and the intrinsics."""
        k = self.intrinsics
        head = np.array([k.fx, k.fy, k.cx, k.cy], np.float64).tobytes()
        return zlib.crc32(self.depth, zlib.crc32(self.color, zlib.crc32(head)))

    def moved(self, map_from_camera: npt.NDArray[np.float64]) -> Keyframe:
        """The same images from another pose; raises :class:`InputError` if it is not rigid."""
        return replace(self, map_from_camera=np.array(map_from_camera, np.float64))

    def _told(self, error: InputError) -> InputError:
        return InputError(f"keyframe of {self.stamp_ns} ns: {reason_of(error)}")


def depth_units(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Meters as half millimeters; 0, none, beyond what 16 bits hold."""
    units = np.rint(depth * np.float32(DEPTH_UNITS_PER_M))
    units[units > MAX_DEPTH_UNITS] = 0.0
    result: npt.NDArray[np.uint16] = units.astype(np.uint16)
    return result


def depth_in_meters(units: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Half millimeters as meters; of whole millimeters, to the bit what ``clean_depth`` makes."""
    depth = units.astype(np.float32)
    depth *= np.float32(1.0 / DEPTH_UNITS_PER_M)
    return depth


def _encode_color(rgb: npt.NDArray[np.uint8], jpeg_quality: int) -> bytes:
    import cv2

    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    if jpeg_quality == LOSSLESS:
        return _encode(".png", bgr, _fast_png())
    return _encode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])


def _encode_depth(depth: npt.NDArray[np.float32]) -> bytes:
    return _encode(".png", depth_units(depth), _fast_png())


def _fast_png() -> Sequence[int]:
    """Runs of equal differences: smaller than other strategies on depth, and faster."""
    import cv2

    return [
        cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE
    ]


def _encode(suffix: str, pixels: npt.NDArray[Any], options: Sequence[int]) -> bytes:
    import cv2

    try:
        done, content = cv2.imencode(suffix, pixels, options)
    except cv2.error as error:
        raise InputError(f"expected an image to encode, got {reason_of(error)}") from error
    expect(done, "an image to encode", pixels.shape)
    encoded: bytes = content.tobytes()
    return encoded

"""The encoded images of keyframes: in memory up to a bound, then a file each."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from om3d_core.errors import InputError, expect, reason_of
from om3d_core.files import read_regular

Images = tuple[bytes, bytes]


@dataclass(frozen=True)
class _Spooled:
    """A file that holds color and depth, one after the other."""

    path: Path
    color_bytes: int
    depth_bytes: int
    crc32: int


class EncodedImages:
    """Color and depth by stamp; beyond ``max_bytes`` they go to a temporary folder."""

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._memory: dict[int, Images] = {}
        self._disk: dict[int, _Spooled] = {}
        self._folder: Path | None = None
        self._bytes = 0

    @property
    def n_bytes(self) -> int:
        """What is held in memory."""
        return self._bytes

    def put(self, stamp_ns: int, images: Images) -> None:
        """Keep the images of a new stamp. Raises OSError, and keeps nothing, if the disk fails."""
        size = sum(map(len, images))
        if self._bytes + size <= self._max_bytes:
            self._memory[stamp_ns] = images
            self._bytes += size
        else:
            self._disk[stamp_ns] = self._spool(stamp_ns, images)

    def get(self, stamp_ns: int) -> Images:
        """The images of a stamp, color first.

        Raises :class:`InputError` that names the file if that is lost or damaged.
        """
        if stamp_ns in self._memory:
            return self._memory[stamp_ns]
        told = self._disk[stamp_ns]
        size = told.color_bytes + told.depth_bytes
        try:
            content = read_regular(told.path, size)
            expect(len(content) == size, f"{size} bytes", len(content))
            expect(zlib.crc32(content) == told.crc32, "the bytes that were written", "others")
        except (OSError, ValueError) as error:
            raise InputError(
                f"{told.path}: expected the keyframe of {stamp_ns} ns, got {reason_of(error)}"
            ) from error
        return content[: told.color_bytes], content[told.color_bytes :]

    def remove(self, stamp_ns: int) -> None:
        """Forget the images of a stamp."""
        images = self._memory.pop(stamp_ns, None)
        if images is not None:
            self._bytes -= sum(map(len, images))
        else:
            self._disk.pop(stamp_ns).path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything and delete the folder."""
        self._memory, self._disk, self._bytes = {}, {}, 0
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __del__(self) -> None:
        self.clear()

    def _spool(self, stamp_ns: int, images: Images) -> _Spooled:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="om3d-keyframes-"))
        path = self._folder / f"{stamp_ns}.images"
        content = b"".join(images)
        try:
            path.write_bytes(content)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return _Spooled(path, len(images[0]), len(images[1]), zlib.crc32(content))

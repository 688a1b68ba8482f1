"""Frames that were decoded lately, within a bound of memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame


class FrameCache:
    """Decoded frames by stamp; who was used longest ago goes first."""

    def __init__(self) -> None:
        self._frames: dict[int, Frame] = {}
        self._bytes = 0

    @property
    def n_bytes(self) -> int:
        """What the pixels of all frames take."""
        return self._bytes

    def get(self, stamp_ns: int) -> Frame | None:
        """The frame of a stamp, which is now the one used last; None if it is not here."""
        frame = self._frames.pop(stamp_ns, None)
        if frame is not None:
            self._frames[stamp_ns] = frame
        return frame

    def put(self, frame: Frame) -> None:
        """Keep a frame as the one used last."""
        self.remove(frame.stamp_ns)
        self._frames[frame.stamp_ns] = frame
        self._bytes += _size(frame)

    def move(self, stamp_ns: int, map_from_camera: npt.NDArray[np.float64]) -> None:
        """Give a frame, if it is here, another pose."""
        frame = self._frames.get(stamp_ns)
        if frame is not None:
            self._frames[stamp_ns] = replace(frame, map_from_camera=map_from_camera)

    def remove(self, stamp_ns: int) -> None:
        """Forget a frame, if it is here."""
        frame = self._frames.pop(stamp_ns, None)
        if frame is not None:
            self._bytes -= _size(frame)

    def shrink(self, max_bytes: int) -> None:
        """Forget frames until the rest takes at most ``max_bytes``."""
        while self._bytes > max_bytes:
            self.remove(next(iter(self._frames)))


def _size(frame: Frame) -> int:
    return frame.rgb.nbytes + frame.depth.nbytes

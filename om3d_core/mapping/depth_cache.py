"""Depth images that were decoded or came lately, within a bound of memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Units = npt.NDArray[np.uint16]


class DepthCache:
    """Depth by stamp, in the units of a keyframe; what was used longest ago goes first.

    To decode a depth image takes three times as long as its color, and it is asked for more often.
    """

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._units: dict[int, Units] = {}
        self._bytes = 0

    @property
    def n_bytes(self) -> int:
        """What all images take."""
        return self._bytes

    def get(self, stamp_ns: int) -> Units | None:
        """The image of a stamp, which is now the one used last; None if it is not here."""
        units = self._units.pop(stamp_ns, None)
        if units is not None:
            self._units[stamp_ns] = units
        return units

    def put(self, stamp_ns: int, units: Units) -> None:
        """Keep an image as the one used last, and of the others what there is room for."""
        self.remove(stamp_ns)
        self._units[stamp_ns] = units
        self._bytes += units.nbytes
        while self._bytes > self._max_bytes:
            self.remove(next(iter(self._units)))

    def clear(self) -> None:
        """Forget all."""
        self._units, self._bytes = {}, 0

    def remove(self, stamp_ns: int) -> None:
        """Forget an image, if it is here."""
        units = self._units.pop(stamp_ns, None)
        if units is not None:
            self._bytes -= units.nbytes

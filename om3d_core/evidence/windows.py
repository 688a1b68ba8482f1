"""What evidence is read from: a view of a thing with some of what is around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from om3d_core.data.words import Words


@dataclass(frozen=True, eq=False)
class Window:
    """rgb: (h, w, 3) uint8. box: (4,) int32, x1, y1, x2, y2 of the thing, in its pixels."""

    rgb: npt.NDArray[np.uint8]
    box: npt.NDArray[np.int32]

    def turned(self, turns: int) -> Window:
        """The same after ``turns`` quarter turns counterclockwise."""
        rgb, (x1, y1, x2, y2) = self.rgb, self.box.tolist()
        for _ in range(turns % 4):
            width = rgb.shape[1]
            rgb, (x1, y1, x2, y2) = np.rot90(rgb), (y1, width - x2, y2, width - x1)
        return Window(np.ascontiguousarray(rgb), np.array([x1, y1, x2, y2], np.int32))


class ViewReader(Protocol):
    """Reads words, or names of classes, in views of things.

    margin: how far a window reaches beyond the thing's box at each end, as a part of its sides.
    """

    margin: float

    def read(self, windows: Sequence[Window]) -> list[Words]:
        """What is read in each window; it depends on that window only."""

"""What was encoded of views, by what their crops show.

It is remembered for a while beyond its last use, as masks come and go while a map grows. The
memory grows with the map and not with time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.mapping.keyframes import KeyframeStore

Key = tuple[int | str, ...]
"""A stamp, a sum of the frame's pixels, and which of them were encoded."""
Row = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
# Views remembered for each that the map uses.
REMEMBERED = 4


@dataclass(frozen=True, eq=False)
class EncodedView:
    """By space the unit mean (D,) over the crops of one view and the length that it had, and the
    JPEG thumbnail."""

    rows: Mapping[str, Row]
    thumbnail: bytes


class ViewMemory:
    """The encoded views of one map. crops_encoded: how many crops that took so far."""

    def __init__(self) -> None:
        self.crops_encoded = 0
        self._views: dict[Key, EncodedView] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._views

    def __getitem__(self, key: Key) -> EncodedView:
        return self._views[key]

    def add(self, key: Key, view: EncodedView) -> None:
        """Remember a view."""
        self._views[key] = view

    def retain(self, used: Mapping[Key, EncodedView], frames: KeyframeStore) -> None:
        """Keep what is used now, and the most recent of what was used before of ``frames``."""
        before = [key for key in self._views if key not in used and int(key[0]) in frames]
        kept = before[max(len(before) - (REMEMBERED - 1) * len(used), 0) :]
        self._views = {key: self._views[key] for key in kept} | dict(used)

"""Where the camera was at the stamp of an image: the question that every source of poses answers.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from om3d_core.data.poses import Transform


class NotYet(Enum):
    """The type of :data:`NOT_YET`."""

    NOT_YET = "not yet"


NOT_YET: Final = NotYet.NOT_YET
"""The answer where a message that is still to come may tell the pose."""


class PoseLookup(Protocol):
    """The poses of one camera: of odometry or PoseStamped, or of a tree of transforms."""

    def at(self, stamp_ns: int, settled: bool = False) -> Transform | NotYet | None:
        """The (4, 4) ``map_from_camera`` at a time; None where it will never be known.

        settled: nothing more will come for that time, so that there is nothing better to wait for.
        """

    def clear(self, now_ns: int | None = None) -> None:
        """Forget what was learnt before a jump of the clock; a recording forgets nothing.

        now_ns: the time after the jump, if it is known: what was learnt of it already stays.
        """

"""The first keyframes of a map, held against each other once."""

from __future__ import annotations

from om3d_core.data.frame import Frame
from om3d_core.doctor.agreement import Look
from om3d_core.doctor.cures import Given
from om3d_core.doctor.frames import TO_STREAM, judge
from om3d_core.streams.settings import DepthSettings

ENOUGH = 12


class FirstLook:
    """Judges the first :data:`ENOUGH` keyframes as ``om3d doctor`` does; later ones cost nothing.

    One thread gives frames; what is said may be read from any.
    """

    def __init__(self, depth: DepthSettings):
        self._depth = depth
        self.clear()

    def clear(self) -> None:
        """Forget what was said; judge the next ones."""
        self._looks: list[Look] = []
        self._judged = False
        self.complaints: dict[str, str] = {}
        """What is wrong, by kind, until cleared."""
        self.told = "too few yet"
        """What was measured, for the values of diagnostics."""

    def take(self, frame: Frame, encoding: str = "") -> None:
        """Take a keyframe, whose raw depth image was of this encoding; the last of the first ones
        takes a fraction of a second."""
        if self._judged:
            return
        self._looks.append(Look.of(frame))
        if len(self._looks) < ENOUGH:
            return
        found = judge(self._looks, Given.of(self._depth, encoding), TO_STREAM)
        self._judged, self._looks = True, []
        self.told = "; ".join(found.told) or "wrong"
        self.complaints = {
            f"first keyframes {f.kind}": f"first {ENOUGH} keyframes: {f.for_node()}"
            for f in found.findings
        }

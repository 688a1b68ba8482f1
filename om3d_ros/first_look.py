"""The first keyframes, held once against each other and against the map that was there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.doctor.agreement import Look, unhidden_share
from om3d_core.doctor.cures import Given
from om3d_core.doctor.frames import TO_STREAM, judge
from om3d_core.streams.settings import DepthSettings

ENOUGH = 12
MOST_POINTS = 20_000
SAME_PLACE = 0.5
"""Least share of a map that lies where frames of the same place see something."""


class FirstLook:
    """Judges the first :data:`ENOUGH` keyframes as ``om3d doctor`` does; later ones cost nothing.

    One thread gives frames; what is said may be read from any.
    """

    def __init__(self, depth: DepthSettings):
        self._depth = depth
        self.clear()

    def clear(self, known: Cloud | None = None) -> None:
        """Forget what was said; judge the next ones, also by the cloud of a ``known`` map."""
        self._known: npt.NDArray[np.float32] | None = None
        if known is not None:
            self._known = known.points[:: max(1, len(known) // MOST_POINTS)].copy()
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
        complaints = {
            f"first keyframes {f.kind}": f"first {ENOUGH} keyframes: {f.for_node()}"
            for f in found.findings
        }
        if self._known is not None and not complaints:
            share = unhidden_share(self._looks, self._known)
            if share < SAME_PLACE:
                complaints["first keyframes map"] = (
                    f"first {ENOUGH} keyframes: they do not fit the map that was there: {share:.0%}"
                    " of what they show of it is where they see something; was map_frame made"
                    " anew since? clear the map, or load one of this frame"
                )
        self._judged, self._looks = True, []
        self.told, self.complaints = "; ".join(found.told) or "wrong", complaints

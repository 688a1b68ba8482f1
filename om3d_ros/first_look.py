"""The first keyframes, held once against each other and against the map that was there."""

from __future__ import annotations

import numpy as np

from om3d_core.data.frame import Frame
from om3d_core.data.scene import Scene
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

    def clear(self, known: Scene | None = None) -> None:
        """Forget what was said; judge the next ones, also by the objects of a ``known`` map.

        Floors and walls fit many a wrong place.
        """
        self._known = np.zeros((0, 3), np.float32)
        if known is not None:
            masks = known.masks
            objects = [masks[i] for i in np.flatnonzero(~masks.structure).tolist()]
            rows = np.unique(np.concatenate([*objects, np.zeros(0, np.int32)]))
            self._known = known.cloud.points[rows[:: max(1, len(rows) // MOST_POINTS)]]
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
        share = unhidden_share(self._looks, self._known)
        if share < SAME_PLACE and not complaints:
            complaints["first keyframes map"] = (
                f"first {ENOUGH} keyframes: they do not fit the map that was there: {share:.0%} of"
                " what they should show of its objects is where they see something; was map_frame"
                " made anew since? clear the map, or load one of this frame"
            )
        self._judged, self._looks = True, []
        self.told, self.complaints = "; ".join(found.told) or "wrong", complaints

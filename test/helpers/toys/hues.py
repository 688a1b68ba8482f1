"""A toy proposer: what is red, what is green and what is blue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.progress import Job
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class HueSettings(Settings):
    """How pure a color must be."""

    margin: int = setting(60, "how much more of one color than of the others", low=1, high=255)


class HueProposer:
    """One mask for each of the three colors."""

    def __init__(self, settings: HueSettings):
        self._margin = settings.margin

    def propose(
        self, cloud: Cloud, job: Job, up: npt.NDArray[np.float64] | None = None
    ) -> InstanceMasks:
        """See Proposer."""
        job.step("masks", 0, 1)
        colors = cloud.colors.astype(int)
        others = [colors[:, [j for j in range(3) if j != i]].max(axis=1) for i in range(3)]
        members = [np.flatnonzero(colors[:, i] > others[i] + self._margin) for i in range(3)]
        job.step("masks", 1, 1)
        return InstanceMasks.from_lists([m for m in members if len(m)], len(cloud))

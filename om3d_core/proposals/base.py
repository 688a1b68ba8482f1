"""What a proposer is: a cloud in, class-agnostic instance masks out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.progress import Job


class Proposer(Protocol):
    """Proposes object masks on a cloud; deterministic, without state between calls.

    One that needs to know the room but not the building says so by an attribute ``local = True``:
    a large cloud is then given to it in tiles (:mod:`.tiles`).
    """

    def propose(self, cloud: Cloud, job: Job, up: npt.NDArray[np.float64]) -> InstanceMasks:
        """Masks over the cloud's points; structure (floor, walls, ceiling) is flagged as such.

        up: (3,) unit vector against gravity, in the cloud's frame.
        """

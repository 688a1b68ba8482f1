"""Masks that another program made, read from a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import ModelError, expect
from om3d_core.files import user_path
from om3d_core.progress import Job
from om3d_core.proposals.mask_files import read_masks
from om3d_core.proposals.mask_values import over_points
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class PrecomputedSettings(Settings):
    """Which masks are read."""

    path: str = setting("", "mask file (.npz, .pt, .pth, .txt, .pts, .json)")


class PrecomputedProposer:
    """Gives the masks of a file, whose rows are the points of the cloud in the cloud's order, or
    its segments in ascending order. Without scores every mask has score 1; none is structure.
    """

    def __init__(self, settings: PrecomputedSettings):
        """Raises :class:`ModelError` for a file that is missing, too large, damaged or strange."""
        if not settings.path:
            raise ModelError(
                "precomputed.path: expected a mask file (.npz, .pt, .txt, ...), got none"
            )
        self._path = user_path(settings.path)
        self._masks = read_masks(self._path)

    def propose(self, cloud: Cloud, job: Job, up: npt.NDArray[np.float64]) -> InstanceMasks:
        """The masks; raises :class:`InputError` if they are over another number of points."""
        job.step("masks", 0, 1)
        masks = self._masks
        if cloud.segments is not None and masks.n_points != len(cloud):
            ids, segment = np.unique(cloud.segments, return_inverse=True)
            if masks.n_points == len(ids):
                masks = over_points(masks, segment.reshape(-1))
        expect(
            masks.n_points == len(cloud),
            f"masks over the cloud's {len(cloud)} points in {self._path}",
            f"masks over {masks.n_points} points"
            + (", or (N, P) instead of (P, N)" if len(masks) == len(cloud) else ""),
        )
        job.step("masks", 1, 1)
        return masks

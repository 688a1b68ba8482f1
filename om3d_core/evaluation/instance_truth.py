"""Which instances of a map are an instance of the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.masks import iou_matrix
from om3d_core.data.scene import Scene
from om3d_core.errors import InputError
from om3d_core.evaluation.ground_truth import GroundTruth, transfer_masks

MIN_IOU = 0.25


@dataclass(frozen=True, eq=False)
class InstanceOverlaps:
    """The overlap of a map's N instances with the G of a ground truth.

    ids: (G,) of the ground truth, structure left out. iou: (N, G) intersection over union on the
    points of the ground truth; 0 for structure of the map.
    """

    ids: npt.NDArray[np.int64]
    iou: npt.NDArray[np.float64]

    @classmethod
    def of(cls, scene: Scene, truth: GroundTruth) -> InstanceOverlaps:
        """Compare on the labeled points: each takes the masks of its nearest point in the map."""
        objects = truth.masks.select(~truth.masks.structure)
        found = transfer_masks(scene.cloud, scene.masks, truth.points)
        iou = iou_matrix(found, objects)
        iou[found.structure] = 0.0
        return cls(truth.ids[~truth.masks.structure], iou)

    def hits(self, instances: Sequence[int]) -> npt.NDArray[np.bool_]:
        """(N,) whether each instance of the map is one of ``instances``: IoU of 0.25 or more.

        Raises :class:`InputError` for an id that is no object of the ground truth.
        """
        unknown = sorted(set(instances) - set(self.ids.tolist()))
        if unknown:
            raise InputError(f"expected ids of objects in the ground truth, got {unknown}")
        chosen = np.isin(self.ids, instances)
        hits: npt.NDArray[np.bool_] = np.any(self.iou[:, chosen] >= MIN_IOU, axis=1)
        return hits

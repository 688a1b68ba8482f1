"""A cloud through the network: voxels in, logits out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.errors import InputError, expect
from om3d_core.proposals.mask3d.postprocess import Float
from om3d_core.proposals.mask3d.settings import Mask3DSettings
from om3d_core.proposals.mask3d.voxelize import Voxels, network_colors, voxelize

if TYPE_CHECKING:
    from om3d_core.proposals.mask3d.network import Mask3D


@dataclass(frozen=True, eq=False)
class SceneLogits:
    """voxels of the cloud; positions (N, 3) float32 meters of their first points; class_logits
    (Q, C + 1); mask_logits (N, Q). segments: (P,) int64 ids 0..S-1 of the points, if used."""

    voxels: Voxels
    positions: Float
    class_logits: Float
    mask_logits: Float
    segments: npt.NDArray[np.int64] | None


def run_network(
    network: Mask3D,
    cloud: Cloud,
    settings: Mask3DSettings,
    segments: npt.NDArray[np.integer] | None = None,
) -> SceneLogits:
    """The network's answer for a cloud of at least one point.

    segments: (P,) id of the fine segment of each point, any integers; masks are then predicted
    for segments. Raises InputError for a cloud of more than ``max_voxels`` voxels.
    """
    import torch

    voxels = voxelize(cloud.points, settings.voxel_m)
    if len(voxels) > settings.max_voxels:
        raise InputError(
            f"expected a cloud of at most {settings.max_voxels} voxels (max_voxels) of"
            f" {settings.voxel_m} m, got {len(voxels)}"
        )
    of_point = of_voxel = None
    if segments is not None:
        expect(segments.shape == (len(cloud),), f"{len(cloud)} segment ids", segments.shape)
        of_point = _consecutive(segments)
        of_voxel = [torch.from_numpy(_consecutive(segments[voxels.first]))]
    positions = cloud.points[voxels.first]
    colors = network_colors(cloud.colors[voxels.first], settings.color_normalization)
    coordinates = np.zeros((len(voxels), 4), np.int32)
    coordinates[:, 1:] = voxels.cells
    device = next(network.parameters()).device
    with torch.inference_mode():
        (scene,) = network(
            torch.from_numpy(coordinates).to(device),
            torch.from_numpy(colors).to(device),
            torch.from_numpy(positions).to(device),
            settings.num_queries,
            None if of_voxel is None else [ids.to(device) for ids in of_voxel],
            sampling=settings.sampling,
        )
    mask_logits: Float = scene.final.mask_logits.float().cpu().numpy()
    if of_voxel is not None:
        mask_logits = mask_logits[of_voxel[0].numpy()]
    class_logits: Float = scene.final.class_logits.float().cpu().numpy()
    return SceneLogits(voxels, positions, class_logits, mask_logits, of_point)


def _consecutive(ids: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    inverse = np.unique(ids, return_inverse=True)[1]
    return np.asarray(inverse, np.int64).reshape(-1)

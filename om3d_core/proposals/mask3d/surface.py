"""What the network is given and what is made of its masks, from the shape of the surface."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.proposals.surface.layout import find_layout
from om3d_core.proposals.surface.planes import find_planes
from om3d_core.proposals.surface.samples import (
    edge_weights,
    felzenszwalb,
    resample,
    sample_distance,
)

MIN_POINTS = 50
VOXEL_M = 0.02
PLANE_TOLERANCE_M = 0.02
MIN_PLANE_M2 = 0.08
SEGMENT_SCALE = 0.5
MIN_SEGMENT_SAMPLES = 20
MIN_STRUCTURE_SHARE = 0.6


def surface_segments(cloud: Cloud) -> npt.NDArray[np.int64]:
    """(P,) ids of fine segments (Felzenszwalb and Huttenlocher 2004) of the surface.

    They play the part of the segments that ScanNet ships with its meshes.
    """
    if len(cloud) < MIN_POINTS:
        return np.zeros(len(cloud), np.int64)
    surface = resample(cloud, max(VOXEL_M, sample_distance(cloud)))
    weights = edge_weights(surface, surface.edges, 0.0)
    labels = felzenszwalb(
        len(surface), surface.edges, weights, SEGMENT_SCALE, MIN_SEGMENT_SAMPLES
    )
    return labels[surface.voxel_of_point]


def flag_structure(
    cloud: Cloud, masks: InstanceMasks, up: npt.NDArray[np.float64]
) -> InstanceMasks:
    """Flag the masks of which most points belong to the floor, a wall or the ceiling.

    up: (3,) unit vector against gravity.
    """
    if not len(masks) or len(cloud) < MIN_POINTS:
        return masks
    surface = resample(cloud, max(VOXEL_M, sample_distance(cloud)))
    planes = find_planes(surface, max(PLANE_TOLERANCE_M, surface.voxel_m), MIN_PLANE_M2)
    layout = find_layout(surface, planes, up)
    on_structure = (layout.plane_of >= 0) & (layout.plane_of < len(layout.structure))
    of_point = on_structure[surface.voxel_of_point]
    shares = [float(of_point[masks[i]].mean()) for i in range(len(masks))]
    structure = masks.structure | (np.array(shares) > MIN_STRUCTURE_SHARE)
    return InstanceMasks(
        masks.indptr, masks.indices, masks.scores, structure, masks.n_points
    )

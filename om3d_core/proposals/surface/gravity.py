"""Which way is up, from the planes of a cloud."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.proposals.surface.planes import find_planes
from om3d_core.proposals.surface.samples import Float, resample, sample_distance

MAP_UP = np.array([0.0, 0.0, 1.0])
CAMERA_UP = np.array([0.0, -1.0, 0.0])
LEVEL_COS = float(np.cos(np.deg2rad(5.0)))
AGREE_COS = float(np.cos(np.deg2rad(12.0)))
COARSE_VOXEL_M = 0.02
PLANE_TOLERANCE_M = 0.015
MIN_PLANE_M2 = 0.04


def facing_areas(cloud: Cloud) -> Float:
    """(K, 3) the normals of the large planes of a cloud, as long as their areas (m²)."""
    if not len(cloud):
        return np.zeros((0, 3))
    surface = resample(cloud, max(COARSE_VOXEL_M, sample_distance(cloud)))
    planes = find_planes(surface, PLANE_TOLERANCE_M, MIN_PLANE_M2)
    area_m2 = surface.voxel_m**2
    facing = [plane.normal * (len(plane.members) * area_m2) for plane in planes]
    return np.array(facing, np.float64).reshape(-1, 3)


def estimate_up(facing: Float, hint: npt.ArrayLike | None = None) -> Float:
    """The unit (3,) direction of up in the map frame, from the ``facing`` areas (K, 3) in it.

    Up is the normal of the floor, tables and other surfaces that are seen from above. ``hint``
    (3,) is a rough up, such as the mean of the cameras' own up directions; the answer then lies
    within 90 degrees of it. Without a hint, maps with z up (REP 103) and maps in the frame of a
    camera (y down) are told apart by the exactness of their level planes. Falls back to the hint,
    or to z, where there is no plane.
    """
    guess = None if hint is None else np.asarray(hint, np.float64)
    fallback = MAP_UP if guess is None else guess / np.linalg.norm(guess)
    if not len(facing):
        return fallback
    areas = np.linalg.norm(facing, axis=1)
    normals = facing / areas[:, None]
    cosines = normals @ normals.T
    alike = (cosines > AGREE_COS) @ areas
    opposing = (cosines < -AGREE_COS) @ areas
    prior = np.array([_prior(normal, guess) for normal in normals])
    score = np.maximum(alike - 0.5 * opposing, 0.1 * alike) * prior
    if float(score.max()) <= 0.0:
        return fallback
    agree = cosines[int(np.argmax(score))] > AGREE_COS
    mean = (normals[agree] * areas[agree, None]).sum(axis=0)
    up: Float = mean / np.linalg.norm(mean)
    return up


def _prior(normal: Float, guess: Float | None) -> float:
    if guess is not None:
        return max(float(normal @ guess), 0.0) ** 2
    if float(normal @ MAP_UP) > LEVEL_COS:
        return 1.0
    return max(float(normal @ CAMERA_UP), 0.0) ** 2 * 0.6 + 0.01

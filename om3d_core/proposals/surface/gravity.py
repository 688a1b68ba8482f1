"""Which way is up, from the planes of a cloud."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.proposals.surface.planes import Plane, find_planes
from om3d_core.proposals.surface.samples import Float, resample, sample_distance

MAP_UP = np.array([0.0, 0.0, 1.0])
CAMERA_UP = np.array([0.0, -1.0, 0.0])
LEVEL_COS = float(np.cos(np.deg2rad(5.0)))
AGREE_COS = float(np.cos(np.deg2rad(12.0)))
COARSE_VOXEL_M = 0.02
PLANE_TOLERANCE_M = 0.015
MIN_PLANE_M2 = 0.04


def estimate_up(cloud: Cloud, hint: npt.ArrayLike | None = None) -> Float:
    """The unit (3,) direction of up in the map frame.

    Up is the normal of the floor, tables and other surfaces that are seen from above. ``hint``
    (3,) is a rough up, such as the mean of the cameras' own up directions; the answer then lies
    within 90 degrees of it. Without a hint, maps with z up (REP 103) and maps in the frame of a
    camera (y down) are told apart by the exactness of their level planes. Falls back to the hint,
    or to z, where there is no plane.
    """
    if not len(cloud):
        return _up_from_planes([], hint)
    surface = resample(cloud, max(COARSE_VOXEL_M, sample_distance(cloud)))
    return _up_from_planes(find_planes(surface, PLANE_TOLERANCE_M, MIN_PLANE_M2), hint)


def _up_from_planes(planes: Sequence[Plane], hint: npt.ArrayLike | None = None) -> Float:
    """As :func:`estimate_up`, from planes already found."""
    guess = None if hint is None else np.asarray(hint, np.float64)
    fallback = MAP_UP if guess is None else guess / np.linalg.norm(guess)
    if not planes:
        return fallback
    normals = np.array([plane.normal for plane in planes])
    areas = np.array([float(len(plane.members)) for plane in planes])
    cosines = normals @ normals.T
    facing = (cosines > AGREE_COS) @ areas
    opposing = (cosines < -AGREE_COS) @ areas
    prior = np.array([_prior(normal, guess) for normal in normals])
    score = np.maximum(facing - 0.5 * opposing, 0.1 * facing) * prior
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

"""Random changes of a labeled scene; z is up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.errors import expect
from om3d_core.training.dataset import LabeledScene
from om3d_core.training.settings import AugmentSettings

STRIDE_VOXELS = 16
ELASTIC_GRID_M = (0.2, 0.8)
MIN_CROP_POINTS = 100
MAX_GRID_NODES = 50_000_000

Floats = npt.NDArray[np.float64]


def augment(
    scene: LabeledScene, settings: AugmentSettings, voxel_m: float, rng: np.random.Generator
) -> LabeledScene:
    """Another scene: cropped, moved, bent and recolored; its normals are unknown.

    All that is random comes from ``rng``.
    """
    scene = crop(scene, settings.crop_m, rng)
    points = scene.cloud.points.astype(np.float64)
    points -= points.mean(axis=0)
    if settings.elastic:
        for grid_m in ELASTIC_GRID_M:
            points = _bent(points, grid_m, settings.elastic * grid_m, rng)
    points = points @ _random_linear(settings, rng).T
    points += rng.uniform(0, STRIDE_VOXELS * voxel_m, 3)
    colors = _recolored(scene.cloud.colors, settings, rng)
    cloud = Cloud(points.astype(np.float32), colors, np.zeros_like(scene.cloud.normals))
    return replace(scene, cloud=cloud)


def crop(scene: LabeledScene, edge_m: float, rng: np.random.Generator) -> LabeledScene:
    """The part of the scene above a square of floor around one of its points; 0 m keeps all."""
    floor = scene.cloud.points[:, :2]
    if not edge_m or np.ptp(floor, axis=0).max() <= edge_m:
        return scene
    center = floor[int(rng.integers(len(floor)))]
    inside = (np.abs(floor - center) <= edge_m / 2).all(axis=1)
    return scene.select(inside) if inside.sum() >= MIN_CROP_POINTS else scene


def _random_linear(settings: AugmentSettings, rng: np.random.Generator) -> Floats:
    mirror = np.diag([*np.where(rng.random(2) < settings.flip, -1.0, 1.0), 1.0])
    limits = (settings.tilt_rad, settings.tilt_rad, settings.rotation_rad)
    matrix: Floats = mirror * (1 + rng.uniform(-settings.scale, settings.scale))
    for axis, limit in enumerate(limits):
        matrix = _rotation(axis, float(rng.uniform(-limit, limit))) @ matrix
    return matrix


def _rotation(axis: int, angle_rad: float) -> Floats:
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = math.cos(angle_rad)
    matrix[b, a] = math.sin(angle_rad)
    matrix[a, b] = -matrix[b, a]
    return matrix


def _bent(points: Floats, grid_m: float, strength_m: float, rng: np.random.Generator) -> Floats:
    """Points moved by smooth noise on a grid (Simard et al. 2003)."""
    from scipy.ndimage import map_coordinates, uniform_filter

    low = points.min(axis=0)
    size = np.ceil(np.ptp(points, axis=0) / grid_m).astype(int) + 3
    expect(
        float(np.prod(size, dtype=float)) <= MAX_GRID_NODES,
        f"a scene of at most {MAX_GRID_NODES} cells of {grid_m} m to distort",
        f"{size.tolist()}",
    )
    places = ((points - low) / grid_m + 1).T
    noise = rng.standard_normal((3, *size))
    shift = [
        map_coordinates(uniform_filter(uniform_filter(n, 3), 3), places, order=1, mode="nearest")
        for n in noise
    ]
    return points + strength_m * np.stack(shift, axis=1)


def _recolored(
    colors: npt.NDArray[np.uint8], settings: AugmentSettings, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    unit = colors / 255.0
    contrast = 1 + rng.uniform(-settings.contrast, settings.contrast)
    unit = (unit - 0.5) * contrast + 0.5
    unit += rng.uniform(-settings.brightness, settings.brightness, 3)
    unit += rng.normal(0, settings.color_noise, colors.shape)
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)

"""Where to look from: a view from above that shows the most of what matters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import level_frame
from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Intrinsics
from om3d_core.errors import expect
from om3d_core.pictures.splat import Viewpoint, rasterize

VERTICAL_FOV_RAD = np.deg2rad(36.0)
PITCHES_RAD = np.deg2rad([40.0, 28.0])
AZIMUTHS = 16
TRIAL_POINTS = 20_000
TRIAL_HEIGHT = 100
FRAME_POINTS = 4_000
OUTLIERS_PERCENT = 0.3
FILL = 0.94
FIT_STEPS = 6
MIN_DISTANCE_M = 0.3
COVERAGE_WEIGHT = 0.5


def choose_viewpoint(
    cloud: Cloud,
    up: npt.NDArray[np.float64],
    subject: npt.NDArray[np.bool_],
    frame: npt.NDArray[np.floating],
    size: tuple[int, int],
    radius_m: float,
) -> Viewpoint:
    """The view around and above ``frame`` that shows most of ``subject``, then most of the rest.

    up: (3,) unit. subject: (P,) bool, points to show. frame: (M, 3), M >= 1, points to fit into
    the picture. size: (width, height) in pixels. radius_m: of a point's disk at full density.
    """
    expect(subject.shape == (len(cloud),), f"subject of shape {(len(cloud),)}", subject.shape)
    width, height = size
    trial_size = (max(1, round(TRIAL_HEIGHT * width / height)), TRIAL_HEIGHT)
    step = max(1, -(-len(cloud) // TRIAL_POINTS))
    trial = cloud.select(slice(None, None, step))
    frame = frame[:: -(-len(frame) // FRAME_POINTS)]
    chosen, best = None, -np.inf
    for pitch in PITCHES_RAD:
        for azimuth in np.arange(AZIMUTHS) * (2 * np.pi / AZIMUTHS):
            view = _fit(look_along(up, float(azimuth), float(pitch)), frame, trial_size)
            shown = rasterize(trial, view, radius_m * np.sqrt(step), cull=True).index
            seen = shown >= 0
            on_subject = np.count_nonzero(subject[::step][shown[seen]])
            score = on_subject + COVERAGE_WEIGHT * np.count_nonzero(seen)
            if score > best:
                chosen, best = view, score
    assert chosen is not None
    return chosen.resized(width, height)


def look_along(
    up: npt.NDArray[np.float64], azimuth: float, pitch: float
) -> npt.NDArray[np.float64]:
    """map_from_camera rotation (3, 3) of a level camera that looks down by ``pitch`` radians."""
    level = level_frame(up)
    ahead = level[:, 0] * np.cos(azimuth) + level[:, 1] * np.sin(azimuth)
    forward = ahead * np.cos(pitch) - up * np.sin(pitch)
    right = np.cross(ahead, up)
    return np.stack([right, np.cross(forward, right), forward], axis=1)


def splat_radius(points: npt.NDArray[np.float32]) -> float:
    """Radius in meters of disks that close the surface between neighbors.

    From the distance to the sixth neighbor of at most 2,000 points; 1 cm for a handful of points.
    """
    from scipy.spatial import cKDTree

    if len(points) < 8:
        return 0.01
    sample = points[:: -(-len(points) // 2000)]
    distance, _ = cKDTree(points).query(sample, k=7)
    return max(float(np.percentile(distance[:, 6], 80)) * 0.75, 1e-4)


def _fit(
    rotation: npt.NDArray[np.float64], frame: npt.NDArray[np.floating], size: tuple[int, int]
) -> Viewpoint:
    """The nearest camera with ``rotation`` whose picture holds ``frame``, but for outliers."""
    width, height = size
    focal = height / 2 / np.tan(VERTICAL_FOV_RAD / 2)
    intrinsics = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    points = frame.astype(np.float64) @ rotation
    half = np.array([width, height]) / 2 / focal * FILL
    limits = [OUTLIERS_PERCENT, 100 - OUTLIERS_PERCENT]
    position = np.median(points, axis=0)
    position[2] -= np.ptp(points, axis=0).max() + 1.0
    for _ in range(FIT_STEPS):
        depth = np.maximum(points[:, 2:] - position[2], 1e-3)
        low, high = np.percentile((points[:, :2] - position[:2]) / depth, limits, axis=0)
        position[:2] += (low + high) / 2 * np.median(depth)
        needed = np.abs(points[:, :2] - position[:2]) / half - points[:, 2:]
        nearest = np.percentile(points[:, 2], OUTLIERS_PERCENT) - MIN_DISTANCE_M
        position[2] = min(-np.percentile(needed.max(axis=1), limits[1]), nearest)
    map_from_camera = np.eye(4)
    map_from_camera[:3, :3], map_from_camera[:3, 3] = rotation, rotation @ position
    return Viewpoint(intrinsics, map_from_camera)

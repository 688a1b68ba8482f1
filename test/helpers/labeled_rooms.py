"""Small rooms of textured boxes with the instance of each point."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.training.dataset import BACKGROUND, LabeledScene

ROOM_M, HEIGHT_M, SPACING_M = 2.0, 1.0, 0.025

Points = npt.NDArray[np.float64]


def room(seed: int, n_objects: int = 6) -> LabeledScene:
    """A floor, two walls and boxes on the floor, some of them stacked or side by side."""
    rng = np.random.default_rng(seed)
    parts = [
        _face((0, 0, 0), (ROOM_M, ROOM_M, 0), 2, 1),
        _face((0, 0, 0), (0, ROOM_M, HEIGHT_M), 0, 1),
        _face((0, 0, 0), (ROOM_M, 0, HEIGHT_M), 1, 1),
    ]
    structure = [_textured(len(p[0]), c, rng) for p, c in zip(parts, (120, 200, 200), strict=True)]
    points, normals = (list(values) for values in zip(*parts, strict=True))
    colors, instance = structure, [np.full(len(p), BACKGROUND, np.int32) for p in points]
    boxes: list[tuple[Points, Points]] = []
    for number in range(n_objects):
        low, high = _place(boxes, rng)
        boxes.append((low, high))
        faces = [
            _face(low, high, axis, sign)
            for axis in range(3) for sign in (-1, 1) if (axis, sign) != (2, -1)
        ]  # fmt: skip
        color = rng.integers(0, 256, 3)
        for face_points, face_normals in faces:
            points.append(face_points)
            normals.append(face_normals)
            colors.append(_textured(len(face_points), color, rng))
            instance.append(np.full(len(face_points), number, np.int32))
    cloud = Cloud(
        np.concatenate(points).astype(np.float32),
        np.concatenate(colors),
        np.concatenate(normals).astype(np.float32),
    )
    return LabeledScene(f"room{seed}", cloud, np.concatenate(instance))


def _place(boxes: list[tuple[Points, Points]], rng: np.random.Generator) -> tuple[Points, Points]:
    """The corners of a box that overlaps no other; every third stands on the one before it."""
    if len(boxes) % 3 == 2:
        below_low, below_high = boxes[-1]
        size = np.array([*(0.8 * (below_high - below_low)[:2]), rng.uniform(0.15, 0.3)])
        low = np.array([*(below_low[:2] + 0.1 * (below_high - below_low)[:2]), below_high[2]])
        return low, low + size
    while True:
        size = rng.uniform((0.2, 0.2, 0.2), (0.45, 0.45, 0.5))
        low = np.append(rng.uniform(0.05, ROOM_M - size[:2] - 0.05), 0.0)
        high = low + size
        if all((high[:2] < a[:2]).any() or (low[:2] > b[:2]).any() for a, b in boxes):
            return low, high


def _face(low: npt.ArrayLike, high: npt.ArrayLike, axis: int, sign: int) -> tuple[Points, Points]:
    """Points SPACING_M apart on one side of a box, and their normals."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    a, b = (i for i in range(3) if i != axis)
    grid = np.meshgrid(*(np.arange(low[i], high[i], SPACING_M) for i in (a, b)))
    points = np.empty((grid[0].size, 3))
    points[:, a], points[:, b] = grid[0].ravel(), grid[1].ravel()
    points[:, axis] = (high if sign > 0 else low)[axis]
    return points, np.tile(sign * np.eye(3)[axis], (len(points), 1))


def _textured(n: int, color: npt.ArrayLike, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    grain = rng.normal(0, 12, (n, 1))
    return np.clip(np.asarray(color, float) + grain + np.zeros((n, 3)), 0, 255).astype(np.uint8)

"""Surfaces of any extent: no grid is larger than memory, and islands are what they were."""

from __future__ import annotations

import resource
import subprocess
import sys

import numpy as np
from scipy import ndimage

from om3d_core.proposals.surface.layout import CELL_M, MAX_CELLS, Footprint, _islands
from om3d_core.proposals.surface.samples import Surface

UP = np.array([0.0, 0.0, 1.0])

FAR = """
import numpy as np
from om3d_core.data.cloud import Cloud
from om3d_core.progress import Job
from om3d_core.mapping.gravity import decide_up
from om3d_core.proposals.geometric import GeometricProposer
rng = np.random.default_rng(0)
near, far = rng.uniform(0, 6, (60_000, 3)), rng.uniform(-16_000, 16_000, (2_000, 3))
line = np.repeat(np.arange(0, 12_000, 0.04)[:, None], 3, axis=1)
points = np.concatenate([near, far, line]).astype(np.float32)
points[:, 2] = 0
cloud = Cloud(points, np.zeros(points.shape, np.uint8), np.float32([0, 0, 1]) + 0 * points)
cloud.check_density()
assert len(GeometricProposer().propose(cloud, Job(), decide_up(cloud))) >= 1
"""


def surface_of(points: np.ndarray) -> Surface:
    n = len(points)
    return Surface(
        points, np.tile(UP, (n, 1)), np.zeros((n, 3)), np.arange(n),
        np.zeros((n, 1), np.int64), np.zeros((0, 2), np.int64), 0.01,
    )  # fmt: skip


def dense_islands(points: np.ndarray) -> list[np.ndarray]:
    """The same on a grid of all cells."""
    index = np.floor(points[:, :2] / CELL_M).astype(np.int64)
    cells = np.zeros(index.max(axis=0) + 1, bool)
    cells[index[:, 0], index[:, 1]] = True
    labels, count = ndimage.label(ndimage.binary_dilation(cells), np.ones((3, 3), bool))
    island = labels[index[:, 0], index[:, 1]]
    return [np.flatnonzero(island == i) for i in range(1, count + 1)]


def test_islands_equal_those_of_a_grid() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 30, 300, 3000):
        points = np.column_stack([rng.uniform(0, 4, (n, 2)), np.zeros(n)])
        expected = sorted(dense_islands(points), key=lambda m: int(m[0]))
        found = sorted(_islands(surface_of(points), np.arange(n), UP), key=lambda m: int(m[0]))
        assert len(found) == len(expected)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert _islands(surface_of(np.zeros((0, 3))), np.zeros(0, np.int64), UP) == []


def test_a_footprint_of_any_extent_fits_in_memory() -> None:
    small = Footprint.of(np.array([[0.0, 0, 0], [8.0, 8.0, 0]]), UP)
    assert small.cell_m == CELL_M
    for reach in (100.0, 16_000.0):
        points = np.array([[0.0, 0, 0], [reach, reach, 0], [reach / 2, 0, 0]])
        large = Footprint.of(points, UP)
        assert large.cells.size <= 2 * MAX_CELLS and large.cell_m > CELL_M
        assert large.contains(points).all()
        assert not large.contains(np.array([[0.0, reach, 0]])).any()


def test_a_room_with_points_far_away_takes_no_more_memory() -> None:
    limit = 3 << 30

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", FAR], preexec_fn=bounded, capture_output=True, text=True,
        timeout=120, env={"OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

"""The bounds of a cloud: finite, near the origin, and dense enough to be in meters."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.data.cloud import Cloud, grid_keys
from om3d_core.errors import InputError
from om3d_core.formats.cloud_fields import pack_cloud, unpack_cloud


def cloud_of(points: np.ndarray) -> Cloud:
    points = points.astype(np.float32)
    return Cloud(points, np.zeros(points.shape, np.uint8), np.zeros_like(points))


def floor(side: float, n: int = 20_000) -> np.ndarray:
    points = np.random.default_rng(0).uniform(0, side, (n, 3))
    points[:, 2] = 0
    return points


@pytest.mark.parametrize("value", [1e37, 16_385.0, -16_385.0])
def test_points_out_of_bounds(value: float) -> None:
    with pytest.raises(InputError, match="points in meters within 16384 m .*move its origin"):
        cloud_of(np.array([[0, value, 0]]))
    assert len(cloud_of(np.array([[0, 16_384.0, -16_384.0]]))) == 1


def test_normals_are_of_unit_length() -> None:
    points = np.zeros((1, 3), np.float32)
    with pytest.raises(InputError, match="normals of length 1 or 0, got a component of 5"):
        Cloud(points, np.zeros((1, 3), np.uint8), np.float32([[0, -5, 0]]))


def test_a_cloud_in_another_unit_is_told() -> None:
    room = floor(6.0)
    cloud_of(room).check_density()
    cloud_of(floor(60.0)).check_density()
    for factor in (1000.0, 100.0):
        with pytest.raises(InputError, match="in meters .* millimeters, .*cloud_units_per_m"):
            cloud_of(room * factor).check_density()


def test_stray_points_and_small_clouds_pass() -> None:
    stray = np.concatenate([floor(6.0), floor(30_000, 500) - 15_000])
    cloud_of(stray).check_density()
    cloud_of(floor(10_000.0, 49)).check_density()
    Cloud.empty().check_density()


def test_keys_tell_cells_apart_and_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    for reach in (3, 1 << 20, 1 << 24):
        cells = rng.integers(-reach, reach, (5000, 3))
        cells[:2] = [[-reach] * 3, [reach] * 3]
        keys = grid_keys(cells)
        assert np.array_equal(np.lexsort(cells.T[::-1]), np.argsort(keys, kind="stable"))
        assert len(np.unique(keys)) == len(np.unique(cells, axis=0))


def test_the_points_of_a_message_have_the_same_bounds() -> None:
    packed = pack_cloud(cloud_of(floor(6.0, 100)))
    words = np.frombuffer(packed.data, "<f4").copy()
    words[0] = 1e37
    with pytest.raises(InputError, match=r"points in meters within .* a coordinate of 1e\+37"):
        unpack_cloud(
            packed.fields, packed.point_step, 100 * packed.point_step, 100, 1, False,
            words.tobytes(),
        )  # fmt: skip

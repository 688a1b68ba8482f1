"""ROS clouds to arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from om3d_core.data.cloud import Cloud
from om3d_core.errors import InputError
from om3d_core.formats.cloud_fields import Field, pack_cloud, unpack_cloud

RNG = np.random.default_rng(3)


def a_cloud(points: int = 20) -> Cloud:
    normals = RNG.normal(size=(points, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Cloud(
        RNG.normal(size=(points, 3)).astype(np.float32),
        RNG.integers(0, 256, (points, 3), dtype=np.uint8),
        normals.astype(np.float32),
    )


def test_cloud_round_trip() -> None:
    cloud = a_cloud()
    packed = pack_cloud(cloud, np.arange(20, dtype=np.uint32), normals=True)
    step = packed.point_step
    back = unpack_cloud(packed.fields, step, step * 20, 20, 1, False, packed.data)
    for name in ("points", "colors", "normals"):
        assert np.array_equal(getattr(back, name), getattr(cloud, name))
    last = packed.fields[-1]
    ids = np.frombuffer(packed.data, "<u4").reshape(20, -1)[:, last.offset // 4]
    assert last.name == "instance" and ids.tolist() == list(range(20))


def test_organized_big_endian_cloud_with_padding_doubles_and_nan() -> None:
    dtype = np.dtype(
        {"names": ["z", "x", "y", "rgba"], "formats": [">f8", ">f4", ">f4", ">u4"],
         "offsets": [8, 0, 4, 20], "itemsize": 32}
    )  # fmt: skip
    points = np.zeros(6, dtype)
    points["x"], points["y"], points["z"] = np.arange(6), 2.0, 3.0
    points["rgba"] = 0xFF0A0B0C
    points["z"][4] = np.nan
    rows = np.zeros((2, 100), np.uint8)
    rows[:, :96] = points.view(np.uint8).reshape(2, 96)
    fields = [Field("x", 0, 7), Field("y", 4, 7), Field("z", 8, 8), Field("rgba", 20, 6)]
    cloud = unpack_cloud(fields, 32, 100, 3, 2, True, rows.tobytes())
    assert cloud.points[:, 0].tolist() == [0, 1, 2, 3, 5]
    assert (cloud.colors == [10, 11, 12]).all() and not cloud.normals.any()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fields": []}, "x, y and z"),
        ({"fields": [Field("x", 0, 7), Field("y", 4, 7)]}, "x, y and z"),
        ({"fields": [Field("x", 0, 7), Field("y", 4, 7), Field("z", 14, 7)]}, "point_step"),
        ({"fields": [Field("x", 0, 7), Field("y", 4, 7), Field("z", 8, 2)]}, "field z"),
        ({"fields": [Field("x", 0, 7), Field("y", 4, 7), Field("z", 8, 99)]}, "field z"),
        ({"fields": [Field("x", 0, 7), Field("x", 4, 7), Field("z", 8, 7)]}, "one field x"),
        ({"point_step": 0}, "point_step"),
        ({"point_step": 2**31}, "point_step"),
        ({"row_step": 1, "height": 2, "width": 10}, "row_step"),
        ({"width": 2**31, "height": 2**31}, "points"),
        ({"width": -1}, "width"),
        ({"width": 21}, "data"),
        ({"data": b""}, "data"),
    ],
)
def test_lying_cloud_fields_are_named(change: dict[str, Any], named: str) -> None:
    packed = pack_cloud(a_cloud())
    fields = {
        "fields": packed.fields,
        "point_step": packed.point_step,
        "row_step": packed.point_step * 20,
        "width": 20,
        "height": 1,
        "is_bigendian": False,
        "data": packed.data,
        **change,
    }
    with pytest.raises(InputError, match=named):
        unpack_cloud(**fields)


def test_empty_cloud_round_trip() -> None:
    packed = pack_cloud(Cloud.empty())
    assert packed.data == b""
    assert len(unpack_cloud(packed.fields, packed.point_step, 0, 0, 1, False, b"")) == 0

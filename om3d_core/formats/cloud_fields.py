"""sensor_msgs/PointCloud2 to Cloud and back, over plain fields, without importing ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_POINTS, Cloud, unit_normals
from om3d_core.errors import InputError, expect

MAX_POINT_STEP = 4096

DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""PointField.datatype to NumPy's type code."""
UINT32, FLOAT32 = 6, 7
NORMALS = ("normal_x", "normal_y", "normal_z")


class FieldLike(Protocol):
    """What is read of a sensor_msgs/PointField."""

    @property
    def name(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def datatype(self) -> int: ...


@dataclass(frozen=True)
class Field:
    """One field of a point: name, offset in bytes, PointField datatype, count."""

    name: str
    offset: int
    datatype: int
    count: int = 1


class PackedCloud(NamedTuple):
    """The fields of an unordered, little-endian PointCloud2 but its header and sizes."""

    fields: list[Field]
    point_step: int
    data: bytes


def unpack_cloud(
    fields: Sequence[FieldLike],
    point_step: int,
    row_step: int,
    width: int,
    height: int,
    is_bigendian: bool,
    data: bytes | bytearray | memoryview | npt.NDArray[np.uint8],
) -> Cloud:
    """The points of a PointCloud2 that have finite coordinates.

    x, y and z are required, float32 or float64 in meters. Colors come from ``rgb`` or ``rgba``
    (packed 0xAARRGGBB as float32 or a 32-bit integer; black where there is none), normals from
    ``normal_x``, ``normal_y``, ``normal_z``. Raises InputError naming the field at fault.
    """
    expect(width >= 0 and height >= 0, "width and height of at least 0", (width, height))
    expect(width * height <= MAX_POINTS, f"at most {MAX_POINTS} points", width * height)
    if width * height == 0:
        return Cloud.empty()
    points = _structured(fields, point_step, row_step, width, height, is_bigendian, data)
    xyz = _stack(points, ("x", "y", "z"))
    keep = np.isfinite(xyz).all(axis=1)
    points = points[keep]
    return Cloud(xyz[keep], _colors(points), _normals(points))


def pack_cloud(
    cloud: Cloud,
    instance: npt.NDArray[np.uint32] | None = None,
    normals: bool = False,
) -> PackedCloud:
    """A cloud as x, y, z, rgb (float32, as RViz expects), then normals and ``instance`` if asked.

    instance: (P,) uint32 per point.
    """
    fields = [Field(name, 4 * i, FLOAT32) for i, name in enumerate(("x", "y", "z", "rgb"))]
    if normals:
        fields += [Field(name, 16 + 4 * i, FLOAT32) for i, name in enumerate(NORMALS)]
    if instance is not None:
        expect(
            instance.shape == (len(cloud),), f"instance of shape ({len(cloud)},)", instance.shape
        )
        fields.append(Field("instance", 4 * len(fields), UINT32))
    words = np.empty((len(cloud), len(fields)), "<u4")
    words[:, :3] = cloud.points.astype("<f4").view("<u4")
    red, green, blue = cloud.colors.astype(np.uint32).T
    words[:, 3] = red << 16 | green << 8 | blue
    if normals:
        words[:, 4:7] = cloud.normals.astype("<f4").view("<u4")
    if instance is not None:
        words[:, -1] = instance
    return PackedCloud(fields, 4 * len(fields), words.tobytes())


def _structured(
    fields: Sequence[FieldLike],
    point_step: int,
    row_step: int,
    width: int,
    height: int,
    is_bigendian: bool,
    data: bytes | bytearray | memoryview | npt.NDArray[np.uint8],
) -> npt.NDArray[np.void]:
    """The points as a flat structured array of the fields that are used."""
    expect(0 < point_step <= MAX_POINT_STEP, f"point_step of 1..{MAX_POINT_STEP}", point_step)
    expect(
        row_step >= width * point_step or height == 1,
        f"row_step of at least width x point_step = {width * point_step}",
        row_step,
    )
    dtype = _dtype(fields, point_step, is_bigendian)
    try:
        flat = np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise InputError(f"expected data of bytes, got {type(data).__name__}") from error
    stride = max(row_step, width * point_step)
    expect(len(flat) >= stride * height, f"data of {stride * height} bytes", len(flat))
    grid = np.ndarray((height, width), dtype, flat.data, strides=(stride, point_step))
    return grid.reshape(-1)


def _dtype(fields: Sequence[FieldLike], point_step: int, is_bigendian: bool) -> np.dtype[np.void]:
    used: dict[str, tuple[str, int]] = {}
    for field in fields:
        if field.name not in {"x", "y", "z", "rgb", "rgba", *NORMALS}:
            continue
        code = DATATYPES.get(field.datatype, "")
        packed = field.name in {"rgb", "rgba"}
        expect(
            code in ({"f4", "u4", "i4"} if packed else {"f4", "f8"}),
            f"field {field.name} of a {'32-bit' if packed else 'floating'} datatype",
            field.datatype,
        )
        expect(field.name not in used, f"one field {field.name}", "two")
        end = field.offset + int(code[1])
        expect(
            field.offset >= 0 and end <= point_step,
            f"field {field.name} within point_step {point_step}",
            f"bytes {field.offset}..{end}",
        )
        used[field.name] = ("u4" if packed else code, field.offset)
    missing = [name for name in ("x", "y", "z") if name not in used]
    expect(not missing, "fields x, y and z", [field.name for field in fields])
    order = ">" if is_bigendian else "<"
    return np.dtype(
        {
            "names": list(used),
            "formats": [order + code for code, _ in used.values()],
            "offsets": [offset for _, offset in used.values()],
            "itemsize": point_step,
        }
    )


def _stack(points: npt.NDArray[np.void], names: Sequence[str]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([points[name].astype(np.float32) for name in names], axis=1)


def _colors(points: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    names = points.dtype.names or ()
    name = next((name for name in ("rgb", "rgba") if name in names), None)
    if name is None:
        return np.zeros((len(points), 3), np.uint8)
    packed = points[name].astype(np.uint32)
    return np.stack([packed >> shift & 255 for shift in (16, 8, 0)], axis=1).astype(np.uint8)


def _normals(points: npt.NDArray[np.void]) -> npt.NDArray[np.float32]:
    """Unit normals, zero where they are missing, not finite or of no direction."""
    if not set(NORMALS) <= set(points.dtype.names or ()):
        return np.zeros((len(points), 3), np.float32)
    return unit_normals(_stack(points, NORMALS))

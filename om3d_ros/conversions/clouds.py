"""sensor_msgs/PointCloud2 to Cloud and back."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from om3d_core.data.cloud import Cloud
from om3d_core.errors import expect
from om3d_core.formats.cloud_fields import Field, pack_cloud, unpack_cloud


def to_cloud(message: PointCloud2) -> Cloud:
    """The finite points of a message; raises InputError naming the field at fault."""
    return unpack_cloud(
        message.fields, message.point_step, message.row_step, message.width, message.height,
        message.is_bigendian, message.data,
    )


def from_cloud(cloud: Cloud, header: Header) -> PointCloud2:
    """x, y, z, rgb and normals of a cloud."""
    packed = pack_cloud(cloud, normals=True)
    return from_words(packed.fields, np.frombuffer(packed.data, "<u4"), header)


def from_words(
    fields: Sequence[Field], words: npt.NDArray[np.uint32], header: Header
) -> PointCloud2:
    """An unordered cloud of 32-bit fields without gaps; words: flat or (n, len(fields))."""
    step = 4 * len(fields)
    data = array("B", np.ascontiguousarray(words, "<u4").tobytes())
    message = PointCloud2(
        header=header,
        height=1,
        width=len(data) // step,
        fields=[
            PointField(name=f.name, offset=f.offset, datatype=f.datatype, count=f.count)
            for f in fields
        ],
        is_bigendian=False,
        point_step=step,
        row_step=len(data),
        is_dense=True,
    )
    message.data = data
    return message


def words_of(message: PointCloud2, names: Sequence[str]) -> npt.NDArray[np.uint32]:
    """The (n, len(fields)) 32-bit words of a cloud that :func:`from_words` made.

    Raises InputError unless the message has exactly the fields ``names``, each of 32 bits.
    """
    step, n = 4 * len(names), message.width
    layout = [(field.name, field.offset, field.count) for field in message.fields]
    expected = [(name, 4 * i, 1) for i, name in enumerate(names)]
    expect(layout == expected, f"fields (name, offset, count) {expected}", layout)
    expect(
        (message.point_step, message.height, bool(message.is_bigendian)) == (step, 1, False),
        f"an unordered little-endian cloud of point_step {step}",
        (message.point_step, message.height, message.is_bigendian),
    )
    expect(len(message.data) == n * step, f"data of {n * step} bytes", len(message.data))
    return np.frombuffer(message.data, "<u4").reshape(n, len(names))

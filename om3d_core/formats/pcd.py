"""Writing a cloud as a PCD file of the Point Cloud Library, version 0.7."""

from __future__ import annotations

import numpy as np

from om3d_core.data.cloud import Cloud


def pcd_bytes(cloud: Cloud) -> bytes:
    """The content of a binary PCD file: x y z (float, meters) and rgb, packed as PCL packs it."""
    n = len(cloud)
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\n"
        f"TYPE F F F F\nCOUNT 1 1 1 1\nWIDTH {n}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\n"
        "DATA binary\n"
    )
    rows = np.zeros((n, 4), "<f4")
    rows[:, :3] = cloud.points
    red, green, blue = cloud.colors.astype("<u4").T
    rows.view("<u4")[:, 3] = red << 16 | green << 8 | blue
    return header.encode("ascii") + rows.tobytes()

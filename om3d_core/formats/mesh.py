"""A mesh, and points sampled on its faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_POINTS, Cloud
from om3d_core.errors import InputError, expect
from om3d_core.formats.cloud_columns import NO_ORIGIN, PLACES, Columns, Origin, cloud_of

MAX_TRIANGLES = 1 << 24
GOLDEN = 0.7548776662466927, 0.5698402909980532
"""Steps of the R2 sequence, which spreads points evenly over a square (Roberts 2018)."""


@dataclass(frozen=True, eq=False)
class RawMesh:
    """What a file holds. columns: (V,) of the vertices by name. triangles: (T, 3) int64 rows."""

    columns: Columns
    triangles: npt.NDArray[np.int64]

    def mesh(self, units_per_m: float = 1.0, origin_m: Origin = NO_ORIGIN) -> Mesh:
        """The mesh in meters. Raises InputError for vertices that are not finite or not there."""
        number = len(self.columns["x"])
        if not all(np.isfinite(self.columns[name]).all() for name in PLACES):
            raise InputError("expected vertices of a mesh that are finite, got NaN or infinity")
        least, most = self.triangles.min(initial=0), self.triangles.max(initial=-1)
        if least < 0 or most >= number:
            beyond = int(least if least < 0 else most)
            raise InputError(f"expected corners among {number} vertices, got vertex {beyond}")
        return Mesh(cloud_of(self.columns, units_per_m, origin_m), self.triangles)


@dataclass(frozen=True, eq=False)
class Mesh:
    """vertices: with colors. triangles: (T, 3) int64 rows of the vertices."""

    vertices: Cloud
    triangles: npt.NDArray[np.int64]

    def sampled(self, spacing_m: float) -> Cloud:
        """Points on the faces, one for each ``spacing_m`` squared of area, and evenly spread.

        Their colors are those of the corners, blended, their normals those of the faces. The same
        mesh has the same points. Raises InputError for a mesh without area, or too large.
        """
        a, b, c = self.vertices.points.astype(np.float64)[self.triangles.T]
        normals = np.cross(b - a, c - a)
        doubled = np.linalg.norm(normals, axis=1)
        ends = np.cumsum(doubled / 2) / spacing_m**2
        total = float(ends[-1]) if len(ends) else 0.0
        expect(total >= 1.0, f"faces of more than {spacing_m**2:g} m^2", f"{len(ends)} faces")
        expect(total <= MAX_POINTS, f"at most {MAX_POINTS} samples", f"{total:.3g}")
        face = np.searchsorted(ends, np.arange(int(total)) + 0.5).clip(0, len(ends) - 1)
        n = np.arange(len(face))
        u, v = (np.modf(0.5 + step * n)[0] for step in GOLDEN)
        flipped = u + v > 1.0
        u, v = np.where(flipped, 1.0 - u, u), np.where(flipped, 1.0 - v, v)
        shares = np.stack([1.0 - u - v, u, v], axis=1)
        corners = self.triangles[face]
        points = np.einsum("nk,nkd->nd", shares, self.vertices.points[corners])
        colors = np.einsum("nk,nkd->nd", shares, self.vertices.colors[corners].astype(np.float64))
        unit = (normals / np.maximum(doubled, 1e-300)[:, None])[face]
        return Cloud(
            points.astype(np.float32), np.rint(colors).astype(np.uint8), unit.astype(np.float32)
        )

"""Textured triangle meshes: moving, bounds, boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from om3d_core.errors import expect

Color = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class MeshPart:
    """One mesh with one material.

    vertices (V, 3) f32 [m], normals (V, 3) f32 unit, uvs (V, 2) f32 with v down the picture,
    faces (F, 3) i32; color (0..1 each) multiplies the texture, if there is one.
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    uvs: NDArray[np.float32]
    faces: NDArray[np.int32]
    texture: Path | None = None
    color: Color = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        n = len(self.vertices)
        expect(self.vertices.shape == (n, 3), "vertices of shape (V, 3)", self.vertices.shape)
        expect(self.normals.shape == (n, 3), f"normals of shape ({n}, 3)", self.normals.shape)
        expect(self.uvs.shape == (n, 2), f"uvs of shape ({n}, 2)", self.uvs.shape)
        expect(self.faces.ndim == 2 and self.faces.shape[1] == 3, "faces of shape (F, 3)",
               self.faces.shape)
        expect(bool(np.isfinite(self.vertices).all()), "finite vertices", "NaN or infinity")
        expect(self.faces.size == 0 or (self.faces.min() >= 0 and self.faces.max() < n),
               f"face indices within 0..{n - 1}", "others")

    def transformed(self, a_from_b: NDArray[np.float64]) -> MeshPart:
        """This part moved by a (4, 4) affine transform."""
        inverse = np.asarray(np.linalg.inv(a_from_b[:3, :3]), np.float64)
        normals = rotated(inverse.T, self.normals)
        normals /= np.maximum(np.sqrt(np.einsum("ij,ij->i", normals, normals)), 1e-12)[:, None]
        vertices = rotated(a_from_b[:3, :3], self.vertices) + a_from_b[:3, 3].astype(np.float32)
        return replace(self, normals=normals, vertices=vertices)

    def cropped(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> MeshPart:
        """This part without the faces that reach out of a box."""
        inside = np.all((self.vertices >= low) & (self.vertices <= high), axis=1)
        faces = self.faces[inside[self.faces].all(axis=1)]
        used, compact = np.unique(faces, return_inverse=True)
        return replace(self, vertices=self.vertices[used], normals=self.normals[used],
                       uvs=self.uvs[used], faces=compact.reshape(-1, 3).astype(np.int32))


def rotated(matrix: NDArray[np.float64], vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """The (3, 3) matrix applied to each of vectors (N, 3).

    Written out, since a threaded matrix product may round otherwise with other thread counts.
    """
    m = matrix.astype(np.float32)
    v = vectors.astype(np.float32, copy=False)
    return np.asarray(v[:, :1] * m[:, 0] + v[:, 1:2] * m[:, 1] + v[:, 2:] * m[:, 2], np.float32)


def bounds(parts: tuple[MeshPart, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The corners of the axis-aligned box around all parts [m]."""
    low = np.min([part.vertices.min(axis=0) for part in parts], axis=0)
    high = np.max([part.vertices.max(axis=0) for part in parts], axis=0)
    return low.astype(np.float64), high.astype(np.float64)


def joined(parts: Sequence[MeshPart]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The vertices (V, 3) and faces (F, 3) of all parts in one mesh."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = [part.faces + start for part, start in zip(parts, starts, strict=True)]
    return (np.concatenate([part.vertices for part in parts]),
            np.concatenate(faces).astype(np.int32))


def pose(x: float, y: float, z: float, yaw_rad: float = 0.0) -> NDArray[np.float64]:
    """The (4, 4) transform that turns about z, then moves."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, 1, z], [0, 0, 0, 1]], np.float64)


def box(low: tuple[float, float, float], high: tuple[float, float, float],
        texture: Path | None = None, color: Color = (1.0, 1.0, 1.0),
        tile_m: float = 2.0) -> MeshPart:
    """An axis-aligned textured box; a texture repeats every ``tile_m`` meters."""
    corners = (np.asarray(low, np.float64), np.asarray(high, np.float64))
    vertices: list[NDArray[np.float64]] = []
    normals: list[NDArray[np.float64]] = []
    uvs: list[NDArray[np.float64]] = []
    faces: list[list[int]] = []
    for axis in range(3):
        u, v = (other for other in range(3) if other != axis)
        for side in (0, 1):
            quad = np.empty((4, 3))
            quad[:, axis] = corners[side][axis]
            quad[:, u] = np.array([corners[0][u], corners[1][u], corners[1][u], corners[0][u]])
            quad[:, v] = np.array([corners[0][v], corners[0][v], corners[1][v], corners[1][v]])
            normal = np.zeros(3)
            normal[axis] = 2 * side - 1
            faces += [[len(vertices) * 4 + i for i in tri] for tri in ((0, 1, 2), (0, 2, 3))]
            vertices.append(quad)
            normals.append(np.tile(normal, (4, 1)))
            uvs.append(np.stack([quad[:, u] - low[u], high[v] - quad[:, v]], axis=1) / tile_m)
    return MeshPart(np.concatenate(vertices).astype(np.float32),
                    np.concatenate(normals).astype(np.float32),
                    np.concatenate(uvs).astype(np.float32),
                    np.array(faces, np.int32), texture, color)

"""Ray casting against triangles, in NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Hits:
    """First hits of N rays.

    found (N,) bool; distance (N,) f32 in lengths of the ray's direction, inf where nothing is
    hit; face (N,) i64, 0 where nothing is hit; barycentric (N, 2) f32, the weights of the
    face's second and third corner; normal (N, 3) f32, unit and geometric.
    """

    found: NDArray[np.bool_]
    distance: NDArray[np.float32]
    face: NDArray[np.int64]
    barycentric: NDArray[np.float32]
    normal: NDArray[np.float32]


class RayCaster:
    """Triangles: vertices (V, 3) [m] and faces (F, 3).

    The search tree is built by one thread, so that its ties do not depend on their number.
    """

    def __init__(self, vertices: NDArray[np.float32], faces: NDArray[np.int32]):
        import open3d as o3d

        self._o3d: Any = o3d
        self._scene = self._o3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(self._tensor(vertices), self._tensor(faces.astype(np.uint32)))

    def cast(self, rays: NDArray[np.float32]) -> Hits:
        """The first hits of rays (N, 6): origin and direction."""
        result = {key: value.numpy() for key, value in
                  self._scene.cast_rays(self._tensor(rays)).items()}
        found = np.isfinite(result["t_hit"])
        face = np.where(found, result["primitive_ids"], 0).astype(np.int64)
        return Hits(found, result["t_hit"], face, result["primitive_uvs"],
                    result["primitive_normals"])

    def blocked(self, rays: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether anything (N,) lies between each origin and just before origin + direction."""
        dark = self._scene.test_occlusions(self._tensor(rays), tfar=0.999)
        return np.asarray(dark.numpy(), np.bool_)

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self._o3d.core.Tensor(np.ascontiguousarray(array))

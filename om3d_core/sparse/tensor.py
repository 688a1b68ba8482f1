"""Features on the voxels of one level."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from om3d_core.errors import expect
from om3d_core.sparse.coordinates import CoordinateManager


@dataclass(frozen=True, eq=False)
class SparseTensor:
    """features: (N, C), row i belongs to row i of the manager's coordinates at ``stride``."""

    features: Tensor
    manager: CoordinateManager
    stride: int = 1

    def __post_init__(self) -> None:
        n_voxels = len(self.manager.at(self.stride))
        expect(
            self.features.ndim == 2 and len(self.features) == n_voxels,
            f"features of shape ({n_voxels}, C)",
            tuple(self.features.shape),
        )

    @classmethod
    def create(cls, coordinates: Tensor, features: Tensor) -> SparseTensor:
        """From (N, 4) int32 unique coordinates and (N, C) features of tensor stride 1."""
        return cls(features, CoordinateManager(coordinates))

    @property
    def coordinates(self) -> Tensor:
        """(N, 4) int32 rows (batch, x, y, z)."""
        return self.manager.at(self.stride)

    def replace(self, features: Tensor) -> SparseTensor:
        """Other features on the same voxels."""
        return SparseTensor(features, self.manager, self.stride)

"""The layers that a network is built from: this package's, or MinkowskiEngine's."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from om3d_core.errors import SettingsError
from om3d_core.sparse.layers import BatchNorm, Convolution, Pooling, TransposedConvolution
from om3d_core.sparse.tensor import SparseTensor

BACKENDS = ("torch", "minkowski")


class Backend(Protocol):
    """Makes layers and sparse tensors; what a sparse tensor is, only the backend knows."""

    def convolution(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, bias: bool
    ) -> nn.Module:
        """A convolution with parameters ``kernel`` and, with bias, ``bias``."""

    def transposed_convolution(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int
    ) -> nn.Module:
        """A convolution onto the next finer existing level."""

    def batch_norm(self, channels: int, momentum: float) -> nn.Module:
        """Batch normalization with parameters ``bn.*``."""

    def tensor(self, coordinates: Tensor, features: Tensor) -> Any:
        """A sparse tensor of (N, 4) int32 coordinates and (N, C) features, in this order."""

    def features(self, x: Any) -> Tensor:
        """The (N, C) features."""

    def coordinates(self, x: Any) -> Tensor:
        """The (N, 4) int32 coordinates of the same rows."""

    def replace(self, x: Any, features: Tensor) -> Any:
        """Other features on the same voxels."""

    def pool(self, x: Any) -> Any:
        """The mean over the existing voxels of each 2 x 2 x 2 cell."""


class TorchBackend:
    """The layers of om3d_core.sparse."""

    def __init__(self) -> None:
        self._pooling = Pooling(2, stride=2)

    def convolution(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, bias: bool
    ) -> nn.Module:
        return Convolution(in_channels, out_channels, kernel_size, stride=stride, bias=bias)

    def transposed_convolution(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int
    ) -> nn.Module:
        return TransposedConvolution(in_channels, out_channels, kernel_size, stride=stride)

    def batch_norm(self, channels: int, momentum: float) -> nn.Module:
        return BatchNorm(channels, momentum)

    def tensor(self, coordinates: Tensor, features: Tensor) -> SparseTensor:
        return SparseTensor.create(coordinates, features)

    def features(self, x: SparseTensor) -> Tensor:
        return x.features

    def coordinates(self, x: SparseTensor) -> Tensor:
        return x.coordinates

    def replace(self, x: SparseTensor, features: Tensor) -> SparseTensor:
        return x.replace(features)

    def pool(self, x: SparseTensor) -> SparseTensor:
        pooled: SparseTensor = self._pooling(x)
        return pooled


def create_backend(name: str) -> Backend:
    """The backend ``torch`` or ``minkowski``; ModelError if MinkowskiEngine is not installed."""
    if name == "torch":
        return TorchBackend()
    if name == "minkowski":
        from om3d_core.sparse.minkowski import MinkowskiBackend

        return MinkowskiBackend()
    raise SettingsError(f"sparse backend: expected one of {', '.join(BACKENDS)}, got {name!r}")


def concatenate(backend: Backend, a: Any, b: Any) -> Any:
    """The channels of ``a``, then those of ``b``, on the same voxels."""
    return backend.replace(a, torch.cat([backend.features(a), backend.features(b)], dim=1))


def relu_(backend: Backend, x: Any) -> Any:
    """Rectify in place."""
    return backend.replace(x, F.relu_(backend.features(x)))

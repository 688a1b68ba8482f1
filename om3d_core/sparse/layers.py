"""Layers with MinkowskiEngine's parameter names, shapes and coordinate rules."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from om3d_core.errors import expect
from om3d_core.sparse.convolve import convolve
from om3d_core.sparse.tensor import SparseTensor


class Convolution(nn.Module):
    """Convolution from a level to itself (stride 1) or to one ``stride`` times coarser."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = False,
    ):
        super().__init__()
        expect(
            kernel_size > 1 or stride == 1, "stride 1 for kernel size 1", f"stride {stride}"
        )
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.kernel = _kernel_parameter(in_channels, out_channels, kernel_size)
        self.bias = nn.Parameter(torch.zeros(1, out_channels)) if bias else None

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Convolve; the coarser level is made if it does not exist."""
        if self.kernel_size == 1:
            features = x.features @ self.kernel.to(x.features.dtype)
            return x.replace(_biased(features, self.bias))
        kernel_map = x.manager.kernel_map(x.stride, self.kernel_size, self.stride, self.dilation)
        features = _biased(convolve(x.features, self.kernel, kernel_map), self.bias)
        return SparseTensor(features, x.manager, x.stride * self.stride)


class TransposedConvolution(nn.Module):
    """Convolution onto the existing level ``stride`` times finer: the adjoint of Convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int,
        bias: bool = False,
    ):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        self.kernel = _kernel_parameter(in_channels, out_channels, kernel_size)
        self.bias = nn.Parameter(torch.zeros(1, out_channels)) if bias else None

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Convolve; raises InputError if the finer level does not exist."""
        expect(x.stride % self.stride == 0, f"a multiple of stride {self.stride}", x.stride)
        fine = x.stride // self.stride
        kernel_map = x.manager.kernel_map(fine, self.kernel_size, self.stride).transposed
        features = _biased(convolve(x.features, self.kernel, kernel_map), self.bias)
        return SparseTensor(features, x.manager, fine)


class BatchNorm(nn.Module):
    """Batch normalization over the voxels; parameters are named ``bn.*``."""

    def __init__(self, channels: int, momentum: float = 0.1):
        super().__init__()
        self.bn = nn.BatchNorm1d(channels, momentum=momentum)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Normalize every channel."""
        return x.replace(self.bn(x.features))


class Pooling(nn.Module):
    """Mean or sum over the existing voxels of a window; the coarser level is made if needed."""

    def __init__(self, kernel_size: int, *, stride: int, mode: Literal["mean", "sum"] = "mean"):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        self.mode: Literal["mean", "sum"] = mode

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Pool; a mean divides by the number of existing voxels, not by the window's size."""
        inputs, bags = x.manager.kernel_map(x.stride, self.kernel_size, self.stride).by_output
        pooled = F.embedding_bag(
            inputs, x.features, bags, mode=self.mode, include_last_offset=True
        )
        return SparseTensor(pooled, x.manager, x.stride * self.stride)


def global_pool(x: SparseTensor, mode: Literal["mean", "sum"] = "mean") -> Tensor:
    """(n_batches, C) mean or sum over the voxels of each batch index from 0 to the largest."""
    batch = x.coordinates[:, 0].long()
    n_batches = int(batch.max()) + 1
    total = x.features.new_zeros(n_batches, x.features.shape[1]).index_add(0, batch, x.features)
    if mode == "sum":
        return total
    count = torch.bincount(batch, minlength=n_batches).clamp_(min=1)
    return total / count[:, None]


def _kernel_parameter(in_channels: int, out_channels: int, kernel_size: int) -> nn.Parameter:
    """Normally distributed (He et al. 2015, fan-out)."""
    sizes = (in_channels, out_channels, kernel_size)
    expect(min(sizes) > 0, "channels and a kernel size above 0", sizes)
    volume = kernel_size**3
    shape = (in_channels, out_channels)
    deviation = math.sqrt(2.0 / (volume * out_channels))
    return nn.Parameter(torch.randn(shape if volume == 1 else (volume, *shape)) * deviation)


def _biased(features: Tensor, bias: Tensor | None) -> Tensor:
    return features if bias is None else features + bias.to(features.dtype)

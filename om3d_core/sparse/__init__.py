"""Sparse convolution on voxels in plain PyTorch, weight-compatible with MinkowskiEngine.

Coordinates are (N, 4) int32 rows (batch, x, y, z) in units of the finest voxel. A level of tensor
stride s holds multiples of s; a layer of stride 2 maps c to ``floor(c / 2s) * 2s``. The kernel
parameter of a layer is (K, C_in, C_out), (C_in, C_out) for kernel size 1, with x the fastest of
the three axes: ``out[u] = sum_i in[u + offset_i] @ kernel[i]``. Offsets of an odd kernel are
centered, those of an even kernel are 0 and up.
"""

from om3d_core.sparse.coordinates import CoordinateManager
from om3d_core.sparse.kernel_map import KernelMap
from om3d_core.sparse.layers import (
    BatchNorm,
    Convolution,
    Pooling,
    TransposedConvolution,
    global_pool,
)
from om3d_core.sparse.tensor import SparseTensor

__all__ = [
    "BatchNorm",
    "Convolution",
    "CoordinateManager",
    "KernelMap",
    "Pooling",
    "SparseTensor",
    "TransposedConvolution",
    "global_pool",
]

"""The attention layers and the positional encoding of Mask3D's decoder (Schult et al. 2023).

One scene at a time: queries are (Q, D), keys (N, D). Normalization follows each residual sum.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PositionEncoding(nn.Module):
    """Random Fourier features of positions within a box (Tancik et al. 2020)."""

    gauss_B: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("gauss_B", torch.randn(3, dim // 2))

    def forward(self, xyz: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """(N, dim) sine then cosine of (N, 3) positions scaled from the box to 0..1.

        An axis along which the box is flat counts as 0. Always in full precision: half precision
        does not resolve the positions in a room.
        """
        extent = high - low
        extent = torch.where(extent > 0, extent, torch.ones_like(extent))
        with torch.autocast(xyz.device.type, enabled=False):
            angle = ((xyz - low) / extent * (2 * math.pi)) @ self.gauss_B
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class QueryProjection(nn.Module):
    """Two pointwise convolutions, each followed by a rectifier."""

    def __init__(self, dim: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(dim, dim, 1), nn.ReLU(), nn.Conv1d(dim, dim, 1), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(Q, dim) from (Q, dim)."""
        projected: Tensor = self.layers(x.T[None])
        return projected[0].T


class CrossAttention(nn.Module):
    """Queries attend to the voxels of one level."""

    def __init__(self, dim: int, n_heads: int):
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(dim, n_heads)
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, queries: Tensor, query_positions: Tensor, voxels: Tensor, positions: Tensor,
        blocked: Tensor,
    ) -> Tensor:
        """blocked: (Q, N) bool, true where a query must not look."""
        attended, _ = self.multihead_attn(
            queries + query_positions,
            voxels + positions,
            voxels,
            attn_mask=blocked,
            need_weights=False,
        )
        result: Tensor = self.norm(queries + attended)
        return result


class SelfAttention(nn.Module):
    """Queries attend to each other."""

    def __init__(self, dim: int, n_heads: int):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(dim, n_heads)
        self.norm = nn.LayerNorm(dim)

    def forward(self, queries: Tensor, query_positions: Tensor) -> Tensor:
        """(Q, dim) from (Q, dim)."""
        placed = queries + query_positions
        attended, _ = self.self_attn(placed, placed, queries, need_weights=False)
        result: Tensor = self.norm(queries + attended)
        return result


class FeedForward(nn.Module):
    """Two linear layers with a rectifier between them."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, queries: Tensor) -> Tensor:
        """(Q, dim) from (Q, dim)."""
        result: Tensor = self.norm(queries + self.linear2(F.relu(self.linear1(queries))))
        return result

"""Mask3D: queries placed on a voxelized scene become instance masks (Schult et al. 2023).

The modules have the names and shapes of the published checkpoints. Masks are products of voxel
and query features, and pooling is linear: the attention masks of a level come from voxel features
pooled once to that level, not from the masks of all voxels pooled at each of the twelve steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from om3d_core.errors import expect
from om3d_core.proposals.mask3d.backbone import BackboneConfig, Res16UNet34
from om3d_core.proposals.mask3d.decoder import (
    CrossAttention,
    FeedForward,
    PositionEncoding,
    QueryProjection,
    SelfAttention,
)
from om3d_core.proposals.mask3d.fps import furthest_points
from om3d_core.sparse.backend import Backend, create_backend

N_LEVELS = 4
"""Feature maps that the decoder attends to, from tensor stride 16 to 2."""


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the network.

    n_classes counts "no object", the last class. n_rounds: how often the decoder's layers, one a
    level, are applied in turn.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    dim: int = 128
    n_heads: int = 8
    feed_forward: int = 1024
    n_classes: int = 201
    n_rounds: int = 3

    def __post_init__(self) -> None:
        expect(
            self.dim % self.n_heads == 0 and self.dim % 2 == 0,
            f"an even width that is a multiple of {self.n_heads} heads",
            self.dim,
        )
        expect(self.n_classes >= 2, "at least one class and no-object", self.n_classes)


@dataclass(frozen=True, eq=False)
class Prediction:
    """class_logits: (Q, n_classes). mask_logits: (N, Q); (S, Q) of segments, or of chosen rows."""

    class_logits: Tensor
    mask_logits: Tensor


@dataclass(frozen=True, eq=False)
class SceneOutput:
    """The prediction for one scene; ``steps`` holds those before each decoder step if asked for.

    query_rows: (Q,) int64 rows of the scene's voxels at which the queries were placed.
    """

    final: Prediction
    query_rows: Tensor
    steps: tuple[Prediction, ...] = ()


@dataclass(frozen=True, eq=False)
class _Level:
    """One scene at one tensor stride: features (N, C), positions (N, 3), masks (N, D)."""

    features: Tensor
    positions: Tensor
    masks: Tensor


class Mask3D(nn.Module):
    """The network. ``backend`` makes its sparse layers."""

    def __init__(self, config: NetworkConfig | None = None, backend: Backend | None = None):
        super().__init__()
        self.config = config = config or NetworkConfig()
        self._backend = backend = backend or create_backend("torch")
        dim, channels = config.dim, config.backbone.level_channels
        self.backbone = Res16UNet34(config.backbone, backend)
        self.mask_features_head = backend.convolution(channels[-1], dim, 1, 1, True)
        self.query_projection = QueryProjection(dim)
        self.mask_embed_head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.class_embed_head = nn.Linear(dim, config.n_classes)
        self.pos_enc = PositionEncoding(dim)
        # The checkpoints name a list of decoders, of which there is one, applied n_rounds times.
        self.cross_attention = _once(CrossAttention(dim, config.n_heads) for _ in range(N_LEVELS))
        self.self_attention = _once(SelfAttention(dim, config.n_heads) for _ in range(N_LEVELS))
        self.ffn_attention = _once(
            FeedForward(dim, config.feed_forward) for _ in range(N_LEVELS)
        )
        self.lin_squeeze = _once(nn.Linear(channels[i], dim) for i in range(N_LEVELS))
        self.decoder_norm = nn.LayerNorm(dim)

    def forward(
        self,
        coordinates: Tensor,
        features: Tensor,
        positions: Tensor,
        n_queries: int,
        segments: Sequence[Tensor] | None = None,
        *,
        rows: Sequence[Tensor] | None = None,
        sampling: str = "first",
        all_steps: bool = False,
    ) -> list[SceneOutput]:
        """One output a scene, that is a batch index of the coordinates.

        coordinates: (N, 4) int32 rows (batch, x, y, z), the rows of a scene together and in
        order. features: (N, 3) colors. positions: (N, 3) meters. segments: (N_b,) int64 ids
        0..S-1 of the voxels of each scene; masks are then predicted for segments. rows: (V_b,)
        int64 voxels, or segments, of each scene to predict masks for; default all. sampling: the
        rule of furthest point sampling. all_steps: also return the twelve predictions before
        the last, for deep supervision.
        """
        batch = coordinates[:, 0]
        expect(bool((batch.diff() >= 0).all()), "rows sorted by batch", "another order")
        levels = self.backbone(coordinates, features)
        mask_features = self._backend.features(self.mask_features_head(levels[-1]))
        positions = positions.to(self.pos_enc.gauss_B.dtype)
        sizes = torch.bincount(batch.long()).tolist()
        expect(min(sizes) > 0, "at least one voxel in every scene", sizes)
        predicted: Sequence[Tensor] = torch.split(mask_features, sizes)
        if segments is not None:
            lengths = [len(ids) for ids in segments]
            expect(lengths == sizes, f"segments of {sizes} voxels", lengths)
            predicted = list(map(_segment_means, predicted, segments))
            spread = [means[ids] for means, ids in zip(predicted, segments, strict=True)]
            mask_features = torch.cat(spread)
        if rows is not None:
            expect(len(rows) == len(sizes), f"rows of {len(sizes)} scenes", len(rows))
            predicted = [
                features[chosen] for features, chosen in zip(predicted, rows, strict=True)
            ]
        pyramid = self._pyramid(levels, positions, mask_features)
        cells, xyz = torch.split(coordinates[:, 1:], sizes), torch.split(positions, sizes)
        return [
            self._decode(
                [_of_scene(level, scene_of_row, b) for level, scene_of_row in pyramid],
                cells[b], xyz[b], predicted[b], n_queries, sampling, all_steps,
            )
            for b in range(len(sizes))
        ]

    def _pyramid(
        self, levels: list[Any], positions: Tensor, mask_features: Tensor
    ) -> list[tuple[_Level, Tensor]]:
        """The levels that the decoder attends to, coarsest first, and the scene of each row."""
        backend = self._backend
        finest = levels[-1]
        with torch.no_grad():
            places = backend.replace(finest, positions)
            masks = backend.replace(finest, mask_features.detach())
            result = []
            for level in reversed(levels[:N_LEVELS]):
                places, masks = backend.pool(places), backend.pool(masks)
                pooled = _Level(
                    backend.features(level), backend.features(places), backend.features(masks)
                )
                result.append((pooled, backend.coordinates(level)[:, 0]))
        return result[::-1]

    def _decode(
        self,
        levels: Sequence[_Level],
        cells: Tensor,
        positions: Tensor,
        mask_features: Tensor,
        n_queries: int,
        sampling: str,
        all_steps: bool,
    ) -> SceneOutput:
        rows = torch.from_numpy(furthest_points(cells.cpu().numpy(), n_queries, sampling))
        rows = rows.to(positions.device)
        encoded = self.pos_enc(positions[rows], positions.amin(0), positions.amax(0))
        query_positions = self.query_projection(encoded)
        queries = torch.zeros_like(query_positions)
        keys = [
            self.pos_enc(level.positions, level.positions.amin(0), level.positions.amax(0))
            for level in levels
        ]
        steps = []
        for _ in range(self.config.n_rounds):
            for i, level in enumerate(levels):
                if all_steps:
                    steps.append(self._predict(queries, mask_features))
                queries = self.cross_attention[0][i](
                    queries,
                    query_positions,
                    self.lin_squeeze[0][i](level.features),
                    keys[i],
                    self._blocked(queries, level.masks),
                )
                queries = self.self_attention[0][i](queries, query_positions)
                queries = self.ffn_attention[0][i](queries)
        return SceneOutput(self._predict(queries, mask_features), rows, tuple(steps))

    def _predict(self, queries: Tensor, mask_features: Tensor) -> Prediction:
        normalized = self.decoder_norm(queries)
        embedding = self.mask_embed_head(normalized)
        return Prediction(self.class_embed_head(normalized), mask_features @ embedding.T)

    @torch.no_grad()
    def _blocked(self, queries: Tensor, pooled: Tensor) -> Tensor:
        """(Q, N) bool: voxels outside a query's mask; a query of empty mask looks at all."""
        embedding = self.mask_embed_head(self.decoder_norm(queries))
        blocked: Tensor = (embedding @ pooled.T).sigmoid() < 0.5
        return blocked & ~blocked.all(dim=1, keepdim=True)


def _once(layers: Any) -> Any:
    return nn.ModuleList([nn.ModuleList(layers)])


def _of_scene(level: _Level, scene_of_row: Tensor, scene: int) -> _Level:
    rows = scene_of_row == scene
    if bool(rows.all()):
        return level
    return _Level(level.features[rows], level.positions[rows], level.masks[rows])


def _segment_means(features: Tensor, segments: Tensor) -> Tensor:
    """(S, C) means of (N, C) features over each segment id 0..S-1; zero where a segment is
    empty."""
    n_segments = int(segments.max()) + 1
    total = features.new_zeros(n_segments, features.shape[1]).index_add(0, segments, features)
    count = torch.bincount(segments, minlength=n_segments).clamp_(min=1)
    return total / count[:, None].to(features.dtype)

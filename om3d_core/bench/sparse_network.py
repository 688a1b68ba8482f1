"""P12: sparse convolution in PyTorch against MinkowskiEngine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from om3d_core.bench.clock import seconds
from om3d_core.bench.rows import Bar, CannotMeasureError, Check, Row, measured
from om3d_core.bench.workbench import Workbench
from om3d_core.errors import ModelError, expect

if TYPE_CHECKING:
    from torch import Tensor

VOXELS, ROUNDS = 100_000, 3
ROOM, HEIGHT, FURNITURE = (260, 230), 120, 30


def convolving(bench: Workbench) -> Row:
    """P12. The backbone of Mask3D with one set of random weights, both in turns."""
    import torch

    from om3d_core.proposals.mask3d.backbone import BackboneConfig, Res16UNet34
    from om3d_core.sparse.backend import create_backend

    try:
        theirs = create_backend("minkowski")
    except ModelError as error:
        raise CannotMeasureError(
            "needs MinkowskiEngine (scripts/build_minkowski.sh builds it)"
        ) from error
    backends = create_backend("torch"), theirs
    cells = room(VOXELS, np.random.default_rng(12))
    torch.manual_seed(0)
    colors = torch.rand(len(cells), 3)
    networks = [Res16UNet34(BackboneConfig(), backend).eval() for backend in backends]
    networks[1].load_state_dict(networks[0].state_dict(), strict=True)
    with torch.no_grad():
        finest = [network(cells, colors)[-1] for network in networks]
        times: list[list[float]] = [[], []]
        for done in range(ROUNDS):
            bench.job.step("convolve", done, ROUNDS)
            for network, row in zip(networks, times, strict=True):
                row.append(seconds(network, cells, colors))
        ours, other = (
            _by_coordinate(backend.coordinates(x), backend.features(x))
            for backend, x in zip(backends, finest, strict=True)
        )
        off = float((ours - other).abs().max())
    ours_s, theirs_s = min(times[0]), min(times[1])
    return measured(
        "P12", "times as fast", theirs_s / ours_s,
        Check("largest difference of an output", off, Bar("<=", 1e-4)),
        ours_s=ours_s, theirs_s=theirs_s, threads=torch.get_num_threads(),
    )  # fmt: skip


def room(n: int, rng: np.random.Generator) -> Tensor:
    """(n, 4) int32 voxels, batch 0, of the floor, walls and boxes of a room, shuffled."""
    import torch

    parts = [_shell(np.zeros(3, int), np.array([*ROOM, HEIGHT]))]
    for _ in range(FURNITURE):
        corner = rng.integers(0, [*ROOM, 50]) // 2
        parts.append(_shell(corner, corner + rng.integers(8, 50, 3)))
    cells = np.unique(np.concatenate(parts), axis=0)
    expect(len(cells) >= n, f"at least {n} voxels", len(cells))
    cells = cells[np.argsort(cells[:, 0], kind="stable")][:n]
    rng.shuffle(cells)
    return torch.from_numpy(np.pad(cells, ((0, 0), (1, 0))).astype(np.int32))


def _shell(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The outermost voxels of a box."""
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    shell: np.ndarray = grid[((grid == low) | (grid == high - 1)).any(axis=-1)]
    return shell


def _by_coordinate(coordinates: Tensor, features: Tensor) -> Tensor:
    """The features sorted by coordinate."""
    import torch

    order = np.lexsort(coordinates.numpy().T[::-1])
    return features[torch.from_numpy(order.copy())]

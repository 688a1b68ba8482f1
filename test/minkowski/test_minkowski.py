"""Layers and networks give the same numbers on MinkowskiEngine, and not more slowly."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from om3d_core.data.cloud import Cloud
from om3d_core.progress import Job
from om3d_core.proposals.mask3d import Mask3DProposer, Mask3DSettings
from om3d_core.proposals.mask3d.backbone import BackboneConfig, Res16UNet34
from om3d_core.proposals.mask3d.network import Mask3D, NetworkConfig
from om3d_core.sparse.backend import Backend, create_backend

TOLERANCE = 1e-4
BENCHMARK_VOXELS = 100_000
ROUNDS = 3


@pytest.fixture(scope="module")
def ours() -> Backend:
    return create_backend("torch")


@pytest.fixture(scope="module")
def theirs() -> Backend:
    return create_backend("minkowski")


def room(n: int, seed: int = 0) -> Tensor:
    """(n, 4) voxels of the floor, two walls and the boxes of a room, 2 cm wide, shuffled."""
    rng = np.random.default_rng(seed)
    surfaces = [box_surface(np.array([0, 0, 0]), np.array([260, 230, 120]))]
    for _ in range(30):
        size = rng.integers(8, 50, 3)
        corner = rng.integers(0, [260, 230, 50]) // 2
        surfaces.append(box_surface(corner, corner + size))
    cells = np.unique(np.concatenate(surfaces), axis=0)
    cells = cells[np.argsort(cells[:, 0], kind="stable")][:n]
    assert len(cells) == n
    rng.shuffle(cells)
    return torch.from_numpy(np.pad(cells, ((0, 0), (1, 0))).astype(np.int32))


def box_surface(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    outside = ((grid == low) | (grid == high - 1)).any(axis=-1)
    return grid[outside]


def by_coordinate(backend: Backend, x: object) -> tuple[Tensor, Tensor]:
    """Coordinates and features, sorted by coordinate."""
    coordinates = backend.coordinates(x)
    order = torch.from_numpy(np.lexsort(coordinates.numpy().T[::-1]).copy())
    return coordinates[order], backend.features(x)[order]


def assert_same(backends: tuple[Backend, Backend], results: list[object]) -> None:
    (cells, values), (their_cells, their_values) = map(by_coordinate, backends, results)
    assert torch.equal(cells, their_cells)
    torch.testing.assert_close(values, their_values, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("channels", [3, 24])
@pytest.mark.parametrize(
    ("size", "stride", "bias"), [(1, 1, True), (3, 1, False), (5, 1, False), (2, 2, False)]
)
@torch.no_grad()
def test_convolutions(
    ours: Backend, theirs: Backend, channels: int, size: int, stride: int, bias: bool
) -> None:
    cells = room(3000) - torch.tensor([0, 40, 40, 40], dtype=torch.int32)
    features = torch.randn(len(cells), channels)
    layers = [b.convolution(channels, 16, size, stride, bias) for b in (ours, theirs)]
    layers[0].load_state_dict(layers[1].state_dict(), strict=True)
    results = [
        layer(backend.tensor(cells, features))
        for layer, backend in zip(layers, (ours, theirs), strict=True)
    ]
    assert_same((ours, theirs), results)


@torch.no_grad()
def test_down_up_and_pool(ours: Backend, theirs: Backend) -> None:
    cells, features = room(3000), torch.randn(3000, 12)
    results, pooled, weights = [], [], None
    for backend in (ours, theirs):
        layers = torch.nn.Sequential(
            backend.convolution(12, 12, 2, 2, False),
            backend.batch_norm(12, 0.1),
            backend.convolution(12, 12, 2, 2, False),
            backend.transposed_convolution(12, 8, 2, 2),
        ).eval()
        weights = weights or layers.state_dict()
        layers.load_state_dict(weights, strict=True)
        results.append(layers(backend.tensor(cells, features)))
        pooled.append(backend.pool(backend.pool(backend.tensor(cells, features))))
    assert_same((ours, theirs), results)
    assert_same((ours, theirs), pooled)


def test_gradients(ours: Backend, theirs: Backend) -> None:
    cells, features = room(2000), torch.randn(2000, 12)
    layers = [b.convolution(12, 16, 3, 1, False) for b in (ours, theirs)]
    layers[0].load_state_dict(layers[1].state_dict())
    gradients = []
    for layer, backend in zip(layers, (ours, theirs), strict=True):
        inputs = features.clone().requires_grad_()
        out = layer(backend.tensor(cells, inputs))
        backend.features(out).square().mean().backward()
        gradients.append((inputs.grad, layer.kernel.grad))
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_the_whole_network(ours: Backend, theirs: Backend) -> None:
    """Full width, without points at which an attention mask could tip: few queries."""
    torch.manual_seed(0)
    networks = [Mask3D(NetworkConfig(), backend).eval() for backend in (ours, theirs)]
    networks[1].load_state_dict(networks[0].state_dict(), strict=True)
    cells = room(6000)
    order = torch.from_numpy(np.lexsort(cells.numpy().T).copy())
    cells, positions = cells[order], cells[order, 1:].float() * 0.02
    colors = torch.rand(len(cells), 3)
    outputs = [network(cells, colors, positions, 12)[0] for network in networks]
    for name in ("class_logits", "mask_logits"):
        values = [getattr(output.final, name) for output in outputs]
        torch.testing.assert_close(*values, rtol=1e-4, atol=1e-3)


def test_a_checkpoint_loads_on_both(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = BackboneConfig(stem=8, planes=(8, 8, 16, 16, 16, 16, 8, 8))
    config = NetworkConfig(backbone, dim=16, n_heads=2, feed_forward=32, n_classes=5)
    path = tmp_path / "small.safetensors"
    save_file(Mask3D(config).state_dict(), path)
    points = room(3000)[:, 1:].numpy().astype(np.float32) * 0.02 + 0.01
    colors = np.random.default_rng(0).integers(0, 256, points.shape, dtype=np.uint8)
    cloud = Cloud(points, colors, np.zeros_like(points))
    masks = [
        Mask3DProposer(
            Mask3DSettings(
                checkpoint=str(path), num_heads=2, num_queries=8, min_score=0.0, max_overlap=1.0,
                flag_structure=False, device="cpu", sparse_backend=backend,
            )
        ).propose(cloud, Job(), np.array([0.0, 0.0, 1.0]))
        for backend in ("torch", "minkowski")
    ]
    assert len(masks[0]) == len(masks[1]) > 0
    differing = sum(int((a != b).sum()) for a, b in zip(
        masks[0].to_dense().T, masks[1].to_dense().T, strict=True
    ))
    assert differing <= 1e-3 * masks[0].sizes.sum()
    np.testing.assert_allclose(masks[0].scores, masks[1].scores, atol=1e-3)


class Stopwatch:
    """The shortest time of each stage of a network, and of the whole, over several runs."""

    def __init__(self, network: torch.nn.Module):
        self.network, self.best_s = network, {}
        self._start: dict[str, float] = {}
        for name, stage in [*network.named_children(), ("whole network", network)]:
            stage.register_forward_pre_hook(partial(self._begin, name))
            stage.register_forward_hook(partial(self._end, name))

    def _begin(self, name: str, *_: object) -> None:
        self._start[name] = time.perf_counter()

    def _end(self, name: str, *_: object) -> None:
        passed = time.perf_counter() - self._start[name]
        self.best_s[name] = min(passed, self.best_s.get(name, passed))


@torch.no_grad()
def test_speed(ours: Backend, theirs: Backend, record_property: Callable[..., None]) -> None:
    """Res16UNet34C on 100,000 voxels, kernel maps included: at least as fast, and equal."""
    cells, colors = room(BENCHMARK_VOXELS), torch.rand(BENCHMARK_VOXELS, 3)
    torch.manual_seed(0)
    watches = [Stopwatch(Res16UNet34(BackboneConfig(), backend).eval())
               for backend in (ours, theirs)]  # fmt: skip
    watches[1].network.load_state_dict(watches[0].network.state_dict(), strict=True)
    for _ in range(ROUNDS):
        finest = [watch.network(cells, colors)[-1] for watch in watches]
    assert_same((ours, theirs), finest)
    mine, other = (watch.best_s for watch in watches)
    print(f"\nRes16UNet34C, {BENCHMARK_VOXELS} voxels, {torch.get_num_threads()} threads, best of"
          f" {ROUNDS}\n{'stage':<16}{'om3d':>10}{'MinkowskiEngine':>18}{'ratio':>8}")
    for stage, seconds in mine.items():
        print(f"{stage:<16}{1e3 * seconds:>7.0f} ms{1e3 * other[stage]:>15.0f} ms"
              f"{other[stage] / seconds:>8.2f}")
    ratio = other["whole network"] / mine["whole network"]
    record_property("ratio", ratio)
    assert ratio >= 1.0

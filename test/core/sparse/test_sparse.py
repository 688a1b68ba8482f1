"""Sparse convolution against dense convolution, brute force and numerical gradients."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from om3d_core.errors import InputError, ModelError, SettingsError
from om3d_core.sparse import (
    Convolution,
    CoordinateManager,
    KernelMap,
    Pooling,
    SparseTensor,
    TransposedConvolution,
    convolve,
    coordinates,
    global_pool,
    kernel_map,
)
from om3d_core.sparse.backend import TorchBackend, create_backend
from om3d_core.sparse.convolve import MAX_UNFOLDED_CHANNELS
from om3d_core.sparse.coordinates import kernel_offsets
from om3d_core.sparse.parallel import for_each_block

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
NARROW, WIDE = MAX_UNFOLDED_CHANNELS, 3 * MAX_UNFOLDED_CHANNELS
SIDE = 12


def random_voxels(n: int, seed: int = 0, *, batches: int = 1, low: int = 0) -> Tensor:
    """(n, 4) unique coordinates within a cube of SIDE cells, in random order."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(batches * SIDE**3, n, replace=False)
    rows = np.stack(np.unravel_index(cells, (batches, SIDE, SIDE, SIDE)), axis=1)
    rows[:, 1:] += low
    return torch.from_numpy(rows.astype(np.int32))


def random_tensor(n: int, channels: int, device: str = "cpu", **kwargs: int) -> SparseTensor:
    voxels = random_voxels(n, **kwargs)
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(n, channels, generator=generator)
    return SparseTensor.create(voxels.to(device), features.to(device))


def to_dense(x: SparseTensor) -> Tensor:
    """(batches, C, x, y, z) volume of a tensor whose coordinates start at 0."""
    batch, *cells = (x.coordinates // torch.tensor([1] + 3 * [x.stride])).long().T
    side = -(-SIDE // x.stride)
    volume = torch.zeros(int(batch.max()) + 1, side, side, side, x.features.shape[1])
    volume[(batch, *cells)] = x.features
    return volume.permute(0, 4, 1, 2, 3)


def at_voxels(volume: Tensor, x: SparseTensor) -> Tensor:
    """The rows of a dense volume at the voxels of ``x``."""
    batch, *cells = (x.coordinates // torch.tensor([1] + 3 * [x.stride])).long().T
    return volume.permute(0, 2, 3, 4, 1)[(batch, *cells)]


def dense_kernel(kernel: Tensor, size: int) -> Tensor:
    """(C_out, C_in, x, y, z) from (K, C_in, C_out)."""
    return kernel.view(size, size, size, *kernel.shape[1:]).permute(4, 3, 2, 1, 0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [NARROW, WIDE])
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 1), (5, 1, 1), (3, 1, 2), (2, 2, 1)]
)
def test_equals_dense_convolution(
    device: str, channels: int, size: int, stride: int, dilation: int
) -> None:
    x = random_tensor(600, channels, batches=2)
    layer = Convolution(channels, 16, size, stride=stride, dilation=dilation, bias=True)
    with torch.no_grad():
        layer.bias.normal_()
        on_device = SparseTensor.create(x.coordinates.to(device), x.features.to(device))
        result = layer.to(device)(on_device)
        layer.cpu()
        padding = (size // 2) * dilation if size % 2 else 0
        volume = F.conv3d(
            to_dense(x), dense_kernel(layer.kernel, size), layer.bias[0],
            stride=stride, padding=padding, dilation=dilation,
        )
    result = SparseTensor(result.features.cpu(), _on_cpu(result), result.stride)
    torch.testing.assert_close(result.features, at_voxels(volume, result), rtol=0, atol=1e-5)


def _on_cpu(x: SparseTensor) -> CoordinateManager:
    manager = CoordinateManager(x.manager.at(1).cpu())
    if x.stride > 1:
        manager.downsample(1, x.stride)
    return manager


@pytest.mark.parametrize("channels", [NARROW, WIDE])
def test_equals_dense_transposed_convolution(channels: int) -> None:
    x = random_tensor(600, channels, batches=2)
    down, up = Convolution(channels, channels, 2, stride=2), TransposedConvolution(
        channels, 16, 2, stride=2
    )
    with torch.no_grad():
        coarse = down(x)
        result = up(coarse)
        kernel = dense_kernel(up.kernel, 2).transpose(0, 1)
        volume = F.conv_transpose3d(to_dense(coarse), kernel, stride=2)
    assert result.stride == 1
    torch.testing.assert_close(result.features, at_voxels(volume, result), rtol=0, atol=1e-5)


voxel_rows = st.sets(
    st.tuples(st.integers(0, 2), *(st.integers(-4, 4) for _ in range(3))), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(rows=voxel_rows, size=st.integers(2, 3), factor=st.integers(1, 3))
def test_kernel_map_is_the_definition(
    rows: set[tuple[int, int, int, int]], size: int, factor: int
) -> None:
    table = {row: i for i, row in enumerate(rows)}
    manager = CoordinateManager(torch.tensor(list(rows), dtype=torch.int32))
    found = manager.kernel_map(1, size, factor)
    outputs = manager.at(factor).tolist()
    expected = {(b, *(c // factor * factor for c in cells)) for b, *cells in rows}
    assert {tuple(row) for row in outputs} == expected and len(outputs) == len(expected)
    for k, offset in enumerate(kernel_offsets(size).tolist()):
        for j, (b, *cells) in enumerate(outputs):
            at = (b, *(c + o for c, o in zip(cells, offset, strict=True)))
            assert int(found.neighbors[k, j]) == table.get(at, len(rows))


def test_both_ways_to_find_voxels_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    voxels = random_voxels(500, batches=2, low=-5)
    tabled = CoordinateManager(voxels).kernel_map(1, 3).neighbors
    monkeypatch.setattr(coordinates, "MAX_TABLE_CELLS", 0)
    assert torch.equal(CoordinateManager(voxels).kernel_map(1, 3).neighbors, tabled)


def test_far_voxels_need_no_table() -> None:
    voxels = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0], [0, 900_000, -900_000, 900_000]]).int()
    neighbors = CoordinateManager(voxels).kernel_map(1, 3).neighbors
    assert neighbors[12:15].tolist() == [[3, 0, 3], [0, 1, 2], [1, 3, 3]]
    assert int((neighbors < 3).sum()) == 5


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Convolution(WIDE, WIDE, 3)
    with torch.no_grad():
        whole = layer(random_tensor(600, WIDE)).features
        monkeypatch.setattr(kernel_map, "CPU_BLOCK_ROWS", 7)
        blocked = layer(random_tensor(600, WIDE)).features
    torch.testing.assert_close(blocked, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [NARROW, WIDE])
def test_rows_may_come_in_any_order(channels: int) -> None:
    x = random_tensor(600, channels)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(2))
    layer = Convolution(channels, WIDE, 3)
    with torch.no_grad():
        expected = layer(x).features[order]
        result = layer(SparseTensor.create(x.coordinates[order], x.features[order])).features
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_the_same_twice() -> None:
    x = random_tensor(900, WIDE)
    layer = Convolution(WIDE, WIDE, 3)
    assert torch.equal(layer(x).features, layer(x).features)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("channels", [NARROW, WIDE])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_threads_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
    two_threads: None,
    channels: int,
    mode: Callable[[], AbstractContextManager[None]],
) -> None:
    monkeypatch.setattr(kernel_map, "CPU_BLOCK_ROWS", 50)
    monkeypatch.setattr(convolve, "CPU_UNFOLDED_VALUES", 5000)
    layer = Convolution(channels, WIDE, 3)
    with mode():
        parallel = layer(random_tensor(600, channels)).features
        assert parallel.requires_grad == (mode is torch.enable_grad)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        serial = layer(random_tensor(600, channels)).features
        assert torch.equal(parallel, serial)


def test_other_threads_keep_their_number(two_threads: None) -> None:
    for_each_block(lambda blocks: None, 4, torch.device("cpu"))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


def test_every_block_is_taken_once_on_one_core(two_threads: None) -> None:
    taken: list[tuple[int, int]] = []

    def work(blocks: Iterator[int]) -> None:
        taken.extend((block, torch.get_num_threads()) for block in blocks)

    for_each_block(work, 100, torch.device("cpu"))
    assert sorted(taken) == [(block, 1) for block in range(100)]


def test_a_failing_block_is_reported(two_threads: None) -> None:
    def fail(blocks: Iterator[int]) -> None:
        raise RuntimeError(f"block {next(blocks)}")

    with pytest.raises(RuntimeError, match="block"):
        for_each_block(fail, 4, torch.device("cpu"))


@pytest.mark.parametrize("channels", [2, MAX_UNFOLDED_CHANNELS + 1])
def test_gradients(channels: int) -> None:
    voxels = random_voxels(25, low=-3)
    layers = [
        Convolution(channels, 3, 3, bias=True),
        Convolution(3, channels, 2, stride=2),
        TransposedConvolution(channels, 2, 2, stride=2, bias=True),
        Convolution(2, 2, 1, bias=True),
        Pooling(2, stride=2),
    ]
    parameters = [p for layer in layers for p in layer.double().parameters()]

    def run(features: Tensor, *_: Tensor) -> Tensor:
        x = SparseTensor.create(voxels, features)
        for layer in layers:
            x = layer(x)
        return torch.cat([x.features, global_pool(x)])

    features = torch.randn(25, channels, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (features, *parameters), fast_mode=True)


def test_transposing_twice_is_the_map() -> None:
    manager = CoordinateManager(random_voxels(300))
    for found in (manager.kernel_map(1, 3), manager.kernel_map(1, 2, 2)):
        twice = found.transposed.transposed
        assert torch.equal(twice.neighbors, found.neighbors) and twice.n_in == found.n_in


def test_maps_are_made_once() -> None:
    manager = CoordinateManager(random_voxels(300))
    assert isinstance(manager.kernel_map(1, 3), KernelMap)
    assert manager.kernel_map(1, 3) is manager.kernel_map(1, 3)


def test_pooling_counts_existing_voxels() -> None:
    x = SparseTensor.create(
        torch.tensor([[0, 0, 0, 0], [0, 1, 1, 1], [0, 2, 0, 0]]).int(),
        torch.tensor([[1.0], [3.0], [7.0]]),
    )
    assert Pooling(2, stride=2)(x).features.tolist() == [[2.0], [7.0]]
    assert Pooling(2, stride=2, mode="sum")(x).features.tolist() == [[4.0], [7.0]]


def test_global_pooling_of_batches() -> None:
    x = SparseTensor.create(
        torch.tensor([[2, 0, 0, 0], [0, 1, 1, 1], [2, 2, 0, 0]]).int(),
        torch.tensor([[1.0], [3.0], [7.0]]),
    )
    assert global_pool(x).tolist() == [[3.0], [0.0], [4.0]]
    assert global_pool(x, "sum").tolist() == [[3.0], [0.0], [8.0]]


def test_backends_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(create_backend("torch"), TorchBackend)
    with pytest.raises(SettingsError, match="torch, minkowski"):
        create_backend("spconv")
    monkeypatch.setitem(sys.modules, "MinkowskiEngine", None)
    with pytest.raises(ModelError, match="build_minkowski.sh"):
        create_backend("minkowski")


LIMIT = 2**31 - 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.zeros(0, 4).int(), "at least one voxel"),
        (torch.zeros(3, 3).int(), r"shape \(N, 4\)"),
        (torch.zeros(1, 4), "int32"),
        (torch.zeros(2, 4).int(), "unique"),
        (torch.tensor([[-1, 0, 0, 0]]).int(), "batch"),
        (torch.tensor([[0] + 3 * [-LIMIT], [0] + 3 * [LIMIT]]).int(), "bounding box"),
    ],
)
def test_bad_coordinates(rows: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CoordinateManager(rows)


def test_bad_features_and_levels() -> None:
    x = random_tensor(10, 2)
    with pytest.raises(InputError, match="features of shape"):
        x.replace(torch.zeros(9, 2))
    for sizes in ((0, 2, 3), (2, -1, 3), (2, 2, 0)):
        with pytest.raises(InputError, match="above 0"):
            Convolution(*sizes)
    with pytest.raises(InputError, match="a kernel of shape"):
        Convolution(3, 3, 3)(x)
    with pytest.raises(InputError, match="stride"):
        TransposedConvolution(2, 2, 2, stride=2)(x)
    with pytest.raises(InputError, match="tensor stride"):
        x.manager.at(4)


def test_offsets_run_along_x_first() -> None:
    for size in (2, 3, 5):
        offsets = kernel_offsets(size).tolist()
        low = -(size // 2) if size % 2 else 0
        line = range(low, low + size)
        assert offsets == [[x, y, z] for z, y, x in itertools.product(line, line, line)]

"""The layers of om3d_core.sparse against MinkowskiEngine's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from om3d_core.sparse import (
    BatchNorm,
    Convolution,
    Pooling,
    SparseTensor,
    TransposedConvolution,
    global_pool,
)
from om3d_core.sparse.coordinates import kernel_offsets
from parity.kinds import Fixture

Load = Callable[[str], Fixture]
TOLERANCE = 1e-5

# name: (the result that it is applied to, kernel size, stride, dilation, bias)
CONVOLUTIONS = {
    "k3s1": ("", 3, 1, 1, False),
    "k5s1": ("", 5, 1, 1, False),
    "k1s1": ("", 1, 1, 1, False),
    "k1s1b": ("", 1, 1, 1, True),
    "k3s1d2": ("", 3, 1, 2, False),
    "k2s2": ("", 2, 2, 1, False),
    "k3s2": ("", 3, 2, 1, False),
    "k2s2_second": ("k2s2", 2, 2, 1, False),
    "k3s1_ts2": ("k2s2", 3, 1, 1, False),
}
TRANSPOSED = {"k2s2tr": "k2s2", "k2s2tr_ts4": "k2s2_second"}


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("sparse_conv")


def layer_input(stored: Fixture, name: str = "") -> SparseTensor:
    """The input, or the result of the convolution ``name`` on it."""
    if not name:
        coordinates = torch.from_numpy(stored["coords"])
        return SparseTensor.create(coordinates, torch.from_numpy(stored["feats"]))
    return convolved(stored, name)


def convolved(stored: Fixture, name: str) -> SparseTensor:
    before, size, stride, dilation, bias = CONVOLUTIONS[name]
    kernel = stored[f"{name}_kernel"]
    layer = Convolution(
        *kernel.shape[-2:], size, stride=stride, dilation=dilation, bias=bias
    )
    weights = {"kernel": torch.from_numpy(kernel)}
    if bias:
        weights["bias"] = torch.from_numpy(stored[f"{name}_bias"])
    layer.load_state_dict(weights, strict=True)
    return layer(layer_input(stored, before))


def assert_equal_rows(
    result: SparseTensor, coordinates: np.ndarray, features: np.ndarray
) -> None:
    """Compare by coordinate: the rows of the reference are sorted by (batch, x, y, z)."""
    order = np.lexsort(result.coordinates.numpy().T[::-1])
    np.testing.assert_array_equal(result.coordinates.numpy()[order], coordinates)
    np.testing.assert_allclose(
        result.features.detach().numpy()[order], features, rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(stored: Fixture, name: str) -> None:
    result = convolved(stored, name)
    assert_equal_rows(result, stored[f"{name}_out_coords"], stored[f"{name}_out_feats"])


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolution(stored: Fixture, name: str) -> None:
    kernel = torch.from_numpy(stored[f"{name}_kernel"])
    layer = TransposedConvolution(*kernel.shape[-2:], 2, stride=2)
    layer.load_state_dict({"kernel": kernel}, strict=True)
    result = layer(layer_input(stored, TRANSPOSED[name]))
    assert_equal_rows(result, stored[f"{name}_out_coords"], stored[f"{name}_out_feats"])


def test_batch_norm(stored: Fixture) -> None:
    layer = BatchNorm(5).eval()
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {f"bn.{name}": torch.from_numpy(stored[f"bn_{name}"]) for name in names}
    layer.load_state_dict({**weights, "bn.num_batches_tracked": torch.tensor(0)}, strict=True)
    result = layer(layer_input(stored)).features.detach().numpy()
    np.testing.assert_allclose(result, stored["bn_out_feats"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("size", [2, 3])
def test_pooling(stored: Fixture, size: int) -> None:
    coordinates = stored[f"avgpool_k{size}s2_out_coords"]
    for mode, prefix in (("mean", "avgpool"), ("sum", "sumpool")):
        result = Pooling(size, stride=2, mode=mode)(layer_input(stored))
        assert_equal_rows(result, coordinates, stored[f"{prefix}_k{size}s2_out_feats"])


def test_chained_pooling(stored: Fixture) -> None:
    pool = Pooling(2, stride=2)
    result = pool(pool(layer_input(stored)))
    assert_equal_rows(
        result, stored["avgpool_k2s2_twice_out_coords"], stored["avgpool_k2s2_twice_out_feats"]
    )


def test_global_pooling(stored: Fixture) -> None:
    result = global_pool(layer_input(stored)).numpy()
    np.testing.assert_allclose(result, stored["globalavg_out_feats"], rtol=0, atol=TOLERANCE)


def test_kernel_offsets(stored: Fixture) -> None:
    for name, size, scale in (("k3s1", 3, 1), ("k5s1", 5, 1), ("k3s1d2", 3, 2), ("k2s2", 2, 1)):
        offsets = kernel_offsets(size).numpy() * scale
        np.testing.assert_array_equal(offsets, stored[f"offsets_{name}"])
    np.testing.assert_array_equal(kernel_offsets(2).numpy(), stored["offsets_k2s2tr"])

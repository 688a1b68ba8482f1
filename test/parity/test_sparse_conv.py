"""The layers of om3d_core.sparse against MinkowskiEngine's."""

from __future__ import annotations

import re
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

LAYER = r"k(?P<size>\d+)s(?P<stride>\d+)(d(?P<dilation>\d+))?b?(?P<input>(tr)?(_second|_ts\d+)?)"
INPUTS = {"": "", "_second": "k2s2", "_ts2": "k2s2", "tr": "k2s2", "tr_ts4": "k2s2_second"}
"""The layer whose result each layer is applied to, by the end of its name."""


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("sparse_conv")


def layer_input(stored: Fixture, name: str = "") -> SparseTensor:
    """The input, or the result of the layer ``name`` on it."""
    if not name:
        coordinates = torch.from_numpy(stored["coords"])
        return SparseTensor.create(coordinates, torch.from_numpy(stored["feats"]))
    return result_of(stored, name)


def result_of(stored: Fixture, name: str) -> SparseTensor:
    """The layer ``name`` on its input."""
    match = re.fullmatch(LAYER, name)
    assert match is not None, name
    weights = {"kernel": torch.from_numpy(stored[f"{name}_kernel"])}
    channels = weights["kernel"].shape[-2:]
    size, stride = int(match["size"]), int(match["stride"])
    if match["input"].startswith("tr"):
        layer = TransposedConvolution(*channels, size, stride=stride)
    else:
        if f"{name}_bias" in stored.arrays:
            weights["bias"] = torch.from_numpy(stored[f"{name}_bias"])
        dilation = int(match["dilation"] or 1)
        layer = Convolution(
            *channels, size, stride=stride, dilation=dilation, bias="bias" in weights
        )
    layer.load_state_dict(weights, strict=True)
    return layer(layer_input(stored, INPUTS[match["input"]]))


def assert_equal_rows(
    stored: Fixture, result: SparseTensor, coordinates: str, features: str
) -> None:
    """Compare by coordinate: the rows of the reference are sorted by (batch, x, y, z)."""
    order = np.lexsort(result.coordinates.numpy().T[::-1])
    np.testing.assert_array_equal(result.coordinates.numpy()[order], stored[coordinates])
    assert_close(stored, result.features[order], features)


def assert_close(stored: Fixture, features: torch.Tensor, name: str) -> None:
    tolerance = stored.tolerance("absolute ", 1e-5)
    np.testing.assert_allclose(
        features.detach().numpy(), stored[name], rtol=0, atol=tolerance, err_msg=name
    )


def test_convolution(stored: Fixture) -> None:
    for match in stored.matches(rf"(?P<name>{LAYER})_kernel"):
        name = match["name"]
        result = result_of(stored, name)
        assert_equal_rows(stored, result, f"{name}_out_coords", f"{name}_out_feats")


def test_transposed_convolutions_are_among_them(stored: Fixture) -> None:
    assert {match["input"] for match in stored.matches(rf"{LAYER}_kernel")} >= {"", "tr"}


def test_batch_norm(stored: Fixture) -> None:
    layer = BatchNorm(stored["feats"].shape[1]).eval()
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {f"bn.{name}": torch.from_numpy(stored[f"bn_{name}"]) for name in names}
    layer.load_state_dict({**weights, "bn.num_batches_tracked": torch.tensor(0)}, strict=True)
    assert_close(stored, layer(layer_input(stored)).features, "bn_out_feats")


def test_pooling(stored: Fixture) -> None:
    for match in stored.matches(r"avgpool_(?P<name>k(?P<size>\d+)s(?P<stride>\d+))_out_coords"):
        for mode, prefix in (("mean", "avgpool"), ("sum", "sumpool")):
            pool = Pooling(int(match["size"]), stride=int(match["stride"]), mode=mode)
            assert_equal_rows(
                stored, pool(layer_input(stored)), match[0], f"{prefix}_{match['name']}_out_feats"
            )


def test_chained_pooling(stored: Fixture) -> None:
    pool = Pooling(2, stride=2)
    result = pool(pool(layer_input(stored)))
    name = "avgpool_k2s2_twice_out"
    assert_equal_rows(stored, result, f"{name}_coords", f"{name}_feats")


def test_global_pooling(stored: Fixture) -> None:
    assert_close(stored, global_pool(layer_input(stored)), "globalavg_out_feats")


def test_kernel_offsets(stored: Fixture) -> None:
    for match in stored.matches(r"offsets_k(?P<size>\d+)s\d+(tr)?(d(?P<dilation>\d+))?"):
        offsets = kernel_offsets(int(match["size"])).numpy() * int(match["dilation"] or 1)
        np.testing.assert_array_equal(offsets, stored[match[0]], err_msg=match[0])

"""The network from a checkpoint of which nothing is executed.

The published checkpoints of Mask3D are Lightning's: ``state_dict`` holds the network's weights
under the prefix ``model.`` and ``criterion.empty_weight`` of the loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from om3d_core.errors import InputError, ModelError
from om3d_core.formats.safetensors_files import read_safetensors
from om3d_core.formats.torch_files import read_tensors
from om3d_core.proposals.mask3d.backbone import BackboneConfig
from om3d_core.proposals.mask3d.network import Mask3D, NetworkConfig
from om3d_core.sparse.backend import create_backend

PREFIX = "model."
IGNORED_PREFIX = "criterion."
MAX_NAMED_KEYS = 8


def read_weights(path: Path) -> dict[str, Tensor]:
    """The network's weights in a .safetensors file or a PyTorch or Lightning checkpoint.

    Keys lose the prefix ``model.``; those of the training criterion are left out. Raises
    ModelError if there is no such file, if it is damaged, or if it holds no weights.
    """
    if not path.is_file():
        raise ModelError(f"expected a checkpoint, got no file {path}")
    stored = read_safetensors(path)[0] if path.suffix == ".safetensors" else read_tensors(path)
    if not stored:
        raise ModelError(f"{path}: expected named weights, got none")
    weights = {
        name.removeprefix(PREFIX): value
        for name, value in stored.items()
        if not name.startswith(IGNORED_PREFIX)
    }
    for name, value in weights.items():
        if not value.numel():
            raise ModelError(f"{path}: expected weights, got an empty {name}")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ModelError(f"{path}: expected finite weights, got NaN or infinity in {name}")
    return weights


def load_network(path: Path, n_heads: int, backend: str = "torch") -> Mask3D:
    """The network that the checkpoint's weights fit, ready for inference on the CPU.

    Its widths are those of the weights; n_heads leaves no trace in them. Raises ModelError,
    naming missing, unexpected and misshapen keys, unless the weights are exactly the network's.
    """
    weights = read_weights(path)
    try:
        config = config_of(weights, n_heads)
    except InputError as error:
        raise ModelError(f"{path}: {error}") from error
    with torch.device("meta"):
        network = Mask3D(config)
    check_weights(network, weights, path)
    if backend != "torch":
        network = Mask3D(config, create_backend(backend))
    expected = network.state_dict()
    weights = {name: value.to(expected[name].dtype) for name, value in weights.items()}
    network.load_state_dict(weights, strict=True, assign=backend == "torch")
    return network.requires_grad_(False).eval()


def config_of(weights: Mapping[str, Tensor], n_heads: int) -> NetworkConfig:
    """The widths that the weights have; the published one where a weight is missing."""

    def width(name: str, axis: int, published: int) -> int:
        shape = weights[name].shape if name in weights else ()
        return shape[axis] if len(shape) > axis else published

    usual = NetworkConfig()
    blocks = [f"backbone.block{i}." for i in range(1, 9)]
    backbone = BackboneConfig(
        stem=width("backbone.conv0p1s1.kernel", 2, usual.backbone.stem),
        planes=tuple(
            width(f"{block}0.conv1.kernel", 2, published)
            for block, published in zip(blocks, usual.backbone.planes, strict=True)
        ),
        depths=tuple(
            max(sum(name.startswith(b) and name.endswith(".conv1.kernel") for name in weights), 1)
            for b in blocks
        ),
        n_labels=width("backbone.final.kernel", 1, usual.backbone.n_labels),
    )
    return NetworkConfig(
        backbone,
        dim=width("mask_features_head.kernel", 1, usual.dim),
        n_heads=n_heads,
        feed_forward=width("ffn_attention.0.0.linear1.weight", 0, usual.feed_forward),
        n_classes=width("class_embed_head.weight", 0, usual.n_classes),
    )


def check_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise ModelError unless names and shapes are exactly those of the network."""
    expected = network.state_dict()
    faults = [
        _listed("missing", expected.keys() - weights.keys()),
        _listed("unexpected", weights.keys() - expected.keys()),
        _listed(
            "misshapen",
            (
                f"{name} (expected {tuple(expected[name].shape)}, got {tuple(value.shape)})"
                for name, value in weights.items()
                if name in expected and value.shape != expected[name].shape
            ),
        ),
    ]
    if any(faults):
        raise ModelError(
            f"{path}: expected the {len(expected)} weights of this network, got "
            + "; ".join(filter(None, faults))
        )


def _listed(what: str, names: Iterable[str]) -> str:
    ordered = sorted(names)
    if not ordered:
        return ""
    more = "" if len(ordered) <= MAX_NAMED_KEYS else f" and {len(ordered) - MAX_NAMED_KEYS} more"
    return f"{len(ordered)} {what}: {', '.join(ordered[:MAX_NAMED_KEYS])}{more}"

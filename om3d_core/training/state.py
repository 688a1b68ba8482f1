"""The state of a training run in one safetensors file: weights, optimizer, progress, settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from om3d_core.errors import InputError, ModelError
from om3d_core.files import parse_json, write_atomically
from om3d_core.formats.safetensors_files import read_safetensors
from om3d_core.proposals.mask3d.checkpoint import check_weights, config_of
from om3d_core.proposals.mask3d.network import Mask3D
from om3d_core.sparse.backend import create_backend

FORMAT = "om3d-training-1"
WEIGHTS, OPTIMIZER = "model.", "optimizer."
MOMENTS = ("exp_avg", "exp_avg_sq", "step")

Record = dict[str, float | int | None]


@dataclass
class Progress:
    """Steps done, evaluations so far, the scenes and the flat settings of the run.

    Everything random is drawn from the seed and the step, so these are its only state. loss: of
    the last step. scaler: the state of the loss scaling of fp16.
    """

    step: int
    settings: dict[str, Any]
    scenes: list[str]
    loss: float = 0.0
    history: list[Record] = field(default_factory=list)
    scaler: dict[str, float] = field(default_factory=dict)


def save_weights(network: Mask3D, path: Path) -> None:
    """Write the network's weights alone, as Mask3DProposer reads them."""
    write_atomically(path, _packed(_weights(network)))


def save_state(
    path: Path, network: Mask3D, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write everything in one file, which a reader sees whole or not at all."""
    tensors = {WEIGHTS + name: value for name, value in _weights(network).items()}
    for name, parameter in network.named_parameters():
        for moment, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{OPTIMIZER}{moment}.{name}"] = value.detach().cpu().contiguous()
    write_atomically(path, _packed(tensors, {"format": FORMAT, "progress": _json(progress)}))


def load_state(
    path: Path, n_heads: int, backend: str
) -> tuple[Mask3D, dict[str, Tensor], Progress]:
    """The network, the optimizer's tensors and the progress. Raises ModelError."""
    if not path.is_file():
        raise ModelError(f"expected the state of a training run, got no file {path}")
    try:
        tensors, metadata = read_safetensors(path)
    except ModelError as error:
        raise ModelError(f"expected the state of a training run: {error}") from error
    progress = _progress(path, metadata)
    weights = _without(WEIGHTS, tensors)
    try:
        network = Mask3D(config_of(weights, n_heads), create_backend(backend))
    except InputError as error:
        raise ModelError(f"{path}: {error}") from error
    check_weights(network, weights, path)
    network.load_state_dict(weights, strict=True)
    return network, _without(OPTIMIZER, tensors), progress


def restore_optimizer(
    optimizer: torch.optim.Optimizer, network: Mask3D, tensors: Mapping[str, Tensor], path: Path
) -> None:
    """Give the optimizer of a network back its state. Raises ModelError if it does not fit."""
    left = dict(tensors)
    for name, parameter in network.named_parameters():
        state = {m: left.pop(f"{m}.{name}") for m in MOMENTS if f"{m}.{name}" in left}
        if not state:
            continue
        shapes = {m: () if m == "step" else tuple(parameter.shape) for m in MOMENTS}
        if {m: tuple(value.shape) for m, value in state.items()} != shapes:
            raise ModelError(f"{path}: expected the optimizer's state of {name}, got another")
        optimizer.state[parameter] = {
            m: value if m == "step" else value.to(parameter.device) for m, value in state.items()
        }
    if left:
        raise ModelError(f"{path}: unexpected state of the optimizer: {sorted(left)[0]}")


def _weights(network: Mask3D) -> dict[str, Tensor]:
    return {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}


def _packed(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    from safetensors.torch import save

    packed: bytes = save(tensors, metadata)
    return packed


def _json(progress: Progress) -> str:
    return json.dumps(vars(progress))


def _progress(path: Path, metadata: Mapping[str, str]) -> Progress:
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path}: expected the state of a training run ({FORMAT}), got another")
    try:
        progress = Progress(**parse_json(metadata["progress"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: expected the progress of a training run: {error}") from error
    kinds = {
        "step": int, "settings": dict, "scenes": list, "loss": float, "history": list,
        "scaler": dict,
    }  # fmt: skip
    if any(type(getattr(progress, name)) is not kind for name, kind in kinds.items()):
        raise ModelError(f"{path}: expected the progress of a training run, got other values")
    if not all(type(r) is dict and type(r.get("step")) is int for r in progress.history):
        raise ModelError(f"{path}: expected evaluations that name their step, got others")
    if progress.step < 0:
        raise ModelError(f"{path}: expected a step of 0 and up, got {progress.step}")
    return progress


def _without(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

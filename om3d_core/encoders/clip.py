"""CLIP (Radford et al. 2021), with which OpenMask3D encodes crops and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from om3d_core.encoders.settings import ClipSettings
from om3d_core.encoders.transformers_encoder import VisionTextEncoder

if TYPE_CHECKING:
    from torch import Tensor


class ClipEncoder(VisionTextEncoder):
    """Any checkpoint of type ``clip``, such as openai/clip-vit-large-patch14-336 (768-d)."""

    family = "clip"
    types = ("clip",)

    def __init__(self, settings: ClipSettings | None = None):
        super().__init__(settings or ClipSettings())

    def _dim(self, config: Any) -> int:
        return int(config.projection_dim)

    def _image_features(self, pixels: Tensor) -> Tensor:
        network = self._model.network
        features: Tensor = network.visual_projection(network.vision_model(pixels).pooler_output)
        return features

    def _text_features(self, ids: Tensor, mask: Tensor) -> Tensor:
        network = self._model.network
        pooled = network.text_model(input_ids=ids, attention_mask=mask).pooler_output
        features: Tensor = network.text_projection(pooled)
        return features

"""SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025) at a fixed resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from om3d_core.encoders.settings import SiglipSettings
from om3d_core.encoders.transformers_encoder import VisionTextEncoder

if TYPE_CHECKING:
    from torch import Tensor


class SiglipEncoder(VisionTextEncoder):
    """Any checkpoint of type ``siglip``, such as google/siglip-so400m-patch14-384 (1152-d).

    Checkpoints of SigLIP 2 but those called NaFlex are of this type too. The text network was
    trained without an attention mask: it reads the padding.
    """

    family = "siglip"
    types = ("siglip",)

    def __init__(self, settings: SiglipSettings | None = None):
        super().__init__(settings or SiglipSettings())

    def _dim(self, config: Any) -> int:
        return int(config.vision_config.hidden_size)

    def _image_features(self, pixels: Tensor) -> Tensor:
        features: Tensor = self._model.network.vision_model(pixels).pooler_output
        return features

    def _text_features(self, ids: Tensor, mask: Tensor) -> Tensor:
        features: Tensor = self._model.network.text_model(input_ids=ids).pooler_output
        return features

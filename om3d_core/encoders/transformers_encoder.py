"""What the encoders on the transformers library share: crops and texts in, unit rows out."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.encoders.phrases import MAX_CHARACTERS, clean_prompt
from om3d_core.encoders.preprocessing import Preprocessing, read_preprocessing
from om3d_core.encoders.settings import (
    ClipSettings,
    Dinov2Settings,
    SiglipSettings,
    TextSettings,
)
from om3d_core.encoders.torch_network import Floats, TorchNetwork, prepared
from om3d_core.errors import expect
from om3d_core.models.pretrained import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor


class VisionEncoder(ABC):
    """Encodes crops with the vision network of a family; a subclass says how.

    family: the name under which the encoder is registered. types: the ``model_type`` of the
    models that it reads. The space is named ``<family>/<model>@<revision>``, with ``+whole-crop``
    where crops are padded: features of two models, two revisions or two preprocessings never mix.
    """

    family: ClassVar[str]
    types: ClassVar[tuple[str, ...]]

    def __init__(self, settings: ClipSettings | SiglipSettings | Dinov2Settings):
        self._model = TorchNetwork(settings.model, self.family, self.types, settings)
        whole = settings.preprocessing == "whole-crop"
        self._preprocessing: Preprocessing = read_preprocessing(self._model.folder, whole=whole)
        self._space = FeatureSpace(
            f"{self.family}/{self._model.version}" + ("+whole-crop" if whole else ""),
            self._dim(self._model.network.config),
            text=isinstance(settings, TextSettings),
            image=True,
            source=self._model.source,
            encoder=self.family,
            preprocessing=settings.preprocessing,
        )

    @property
    def spaces(self) -> tuple[FeatureSpace, ...]:
        """The one space of the model."""
        return (self._space,)

    def encode_images(self, crops: Sequence[npt.NDArray[np.uint8]]) -> dict[str, Floats]:
        """Unit rows, see :class:`om3d_core.encoders.base.Encoder`."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            squares = prepared(crops, self._preprocessing, pool)
            rows = self._model.unit_rows(squares, len(crops), self._encode_squares)
        return {self._space.name: rows.reshape(len(crops), self._space.dim)}

    def encode_texts(self, texts: Sequence[str]) -> dict[str, Floats]:
        """Nothing: the network reads no text."""
        return {}

    def _encode_squares(self, squares: Tensor) -> Tensor:
        """Features of (B, side, side, 3) uint8."""
        import torch

        pixels = squares.permute(0, 3, 1, 2).float() / 255
        mean, std = (
            torch.tensor(values, device=pixels.device)[:, None, None]
            for values in (self._preprocessing.mean, self._preprocessing.std)
        )
        return self._image_features(((pixels - mean) / std).to(self._model.dtype))

    @abstractmethod
    def _dim(self, config: Any) -> int:
        """The length of a feature, by the network's configuration."""

    @abstractmethod
    def _image_features(self, pixels: Tensor) -> Tensor:
        """(B, dim) of normalized pixels (B, 3, side, side)."""


class VisionTextEncoder(VisionEncoder):
    """Encodes crops and texts into one space."""

    def __init__(self, settings: ClipSettings | SiglipSettings):
        super().__init__(settings)
        self._text = settings
        self._tokenizer = load_tokenizer(self._model.folder)
        self._length = int(self._model.network.config.text_config.max_position_embeddings)

    def encode_texts(self, texts: Sequence[str]) -> dict[str, Floats]:
        """Unit rows of the texts in their templates; InputError for a text that says nothing."""
        filled = [
            template.replace("{}", self._checked(text))
            for text in texts
            for template in self._text.templates
        ]
        rows = self._model.unit_rows(map(self._tokens, filled), len(filled), self._encode_tokens)
        rows = rows.reshape(len(texts), len(self._text.templates), self._space.dim)
        if rows.shape[1] == 1:
            return {self._space.name: rows[:, 0]}
        mean = rows.mean(axis=1)
        return {self._space.name: mean / np.linalg.norm(mean, axis=1, keepdims=True)}

    def _checked(self, text: str) -> str:
        cleaned = clean_prompt(text)
        expect(len(text) <= MAX_CHARACTERS, f"at most {MAX_CHARACTERS} characters", len(text))
        return cleaned if self._text.clean_prompts else text

    def _tokens(self, text: str) -> Tensor:
        """(2, length): the ids of a text, padded, and which of them count."""
        import torch

        tokens = self._tokenizer(
            text, padding="max_length", truncation=True, max_length=self._length,
            return_attention_mask=True,
        )  # fmt: skip
        return torch.tensor([tokens["input_ids"], tokens["attention_mask"]])

    def _encode_tokens(self, tokens: Tensor) -> Tensor:
        return self._text_features(tokens[:, 0], tokens[:, 1])

    @abstractmethod
    def _text_features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, dim) of token ids and attention mask (B, length)."""

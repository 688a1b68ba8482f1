"""What an encoder is, and how to get one by name. See the README of this folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.errors import ModelError

if TYPE_CHECKING:
    from om3d_core.encoders.settings import EncoderSettings


class Encoder(Protocol):
    """Turns crops and texts into unit vectors.

    One network pass may fill several spaces (see ``lite``); a model with one joint space, such as
    CLIP, has a single entry in ``spaces``.
    """

    @property
    def spaces(self) -> tuple[FeatureSpace, ...]:
        """The spaces that :meth:`encode_images` fills."""

    def encode_images(
        self, crops: Sequence[npt.NDArray[np.uint8]]
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Map B RGB crops (h, w, 3) uint8 of any size to (B, dim) unit rows per space name.

        A row depends on its own crop only, bit for bit, whatever the batch.
        """

    def encode_texts(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Map B texts to (B, dim) unit rows for every space whose ``text`` is true."""


class CombinedEncoder:
    """Several encoders as one that fills the spaces of all."""

    def __init__(self, encoders: Sequence[Encoder]):
        self._encoders = tuple(encoders)

    @property
    def spaces(self) -> tuple[FeatureSpace, ...]:
        """The spaces of the encoders in turn."""
        return tuple(space for encoder in self._encoders for space in encoder.spaces)

    def encode_images(
        self, crops: Sequence[npt.NDArray[np.uint8]]
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Unit rows in every space."""
        return {k: v for e in self._encoders for k, v in e.encode_images(crops).items()}

    def encode_texts(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Unit rows in every space for texts."""
        return {k: v for e in self._encoders for k, v in e.encode_texts(texts).items()}


EncoderFactory = Callable[..., Encoder]


def create_encoder(name: str, settings: EncoderSettings | None = None) -> Encoder:
    """The encoder registered under ``name``; its weights load here.

    An encoder that has a group of its name in ``settings`` is made with it. Raises
    :class:`SettingsError` for an unknown name and :class:`ModelError` if weights are missing.
    """
    from om3d_core.encoders import REGISTRY
    from om3d_core.encoders.settings import EncoderSettings
    from om3d_core.registry import lookup

    factory: EncoderFactory = lookup(REGISTRY, name, "encoder")
    group = getattr(settings or EncoderSettings(), name, None)
    return factory() if group is None else factory(group)


def encoder_of_space(space: FeatureSpace, settings: EncoderSettings | None = None) -> Encoder:
    """The encoder that fills ``space``: model and preprocessing are the space's.

    Where and how it runs, and the templates of texts, are those of ``settings``, and so is the
    place of the model if it is not where it was. Raises :class:`ModelError` if the model is not
    on this machine or has changed since.
    """
    from om3d_core.encoders.settings import EncoderSettings
    from om3d_core.models.catalog import is_here

    settings = settings or EncoderSettings()
    family = re.split(r"[-/@]", space.name, maxsplit=1)[0]
    group = getattr(settings, family, None)
    if group is not None and space.source:
        preprocessing = "whole-crop" if space.name.endswith("+whole-crop") else "original"
        moved = not is_here(space.source) and is_here(group.model)
        model = group.model if moved else space.source
        group = replace(group, model=model, preprocessing=preprocessing)
        settings = replace(settings, **{family: group})
    encoder = create_encoder(family, settings)
    names = [candidate.name for candidate in encoder.spaces]
    if space.name not in names:
        raise ModelError(
            f"expected the encoder of {space.name}, got one of {', '.join(names)}"
            f" (the map's was {space.source or family})"
        )
    return encoder

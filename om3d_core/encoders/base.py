"""What an encoder is, and how to get one by name. See the README of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.encoders import REGISTRY
from om3d_core.errors import ModelError, SettingsError
from om3d_core.models.catalog import is_here
from om3d_core.settings import Settings, build, flatten, values_of

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


def create_encoder(name: str, settings: EncoderSettings | None = None) -> Encoder:
    """The encoder registered under ``name``, made with its settings; its weights load here.

    Raises :class:`SettingsError` for an unknown name, and :class:`ModelError` if weights are
    missing or a space does not name this encoder.
    """
    encoder: Encoder = REGISTRY.create(name, settings)
    for space in encoder.spaces:
        if space.encoder != name:
            raise ModelError(
                f"{name}: expected its spaces to name it as their encoder, as it must be found"
                f" again; {space.name} names {space.encoder!r}"
            )
    return encoder


def encoder_of_space(space: FeatureSpace, settings: EncoderSettings | None = None) -> Encoder:
    """The encoder that fills ``space``: model and preprocessing are the space's.

    Where and how it runs, and the templates of texts, are those of ``settings``, and so is the
    place of the model if it is not where it was. Raises :class:`ModelError` if the encoder is
    unknown here, or its model is not on this machine or has changed since.
    """
    from om3d_core.encoders.settings import EncoderSettings

    if space.encoder not in REGISTRY:
        raise ModelError(
            f"{space.name}: expected one of the encoders {', '.join(REGISTRY)}, the map's was"
            f" {space.encoder!r:.80}"
        )
    settings = settings or EncoderSettings()
    if REGISTRY.settings_type(space.encoder) is not None:
        group = _as_filled(settings[space.encoder], space)
        settings = settings.replaced(**{space.encoder: group})
    return filling(create_encoder(space.encoder, settings), space)


def filling(encoder: Encoder, space: FeatureSpace) -> Encoder:
    """The encoder; raises :class:`ModelError` unless it fills ``space``."""
    names = [candidate.name for candidate in encoder.spaces]
    if space.name not in names:
        raise ModelError(
            f"expected the encoder of {space.name}, got one of {', '.join(names)}"
            f" (the map's was {space.source or space.encoder})"
        )
    return encoder


def _as_filled(group: Settings, space: FeatureSpace) -> Settings:
    """The settings of an encoder with the model and the preprocessing of a space."""
    known = {leaf.name for leaf in flatten(type(group))}
    changes = {}
    if space.source and "model" in known:
        own = values_of(group)["model"]
        moved = not is_here(space.source) and is_here(str(own))
        changes["model"] = own if moved else space.source
    if space.preprocessing and "preprocessing" in known:
        changes["preprocessing"] = space.preprocessing
    try:
        return build(type(group), {**values_of(group), **changes})
    except SettingsError as error:
        raise ModelError(f"{space.name}: {space.encoder}.{error}") from error

"""Puts a Mapper together from its settings: proposer, encoders and segmenter by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from om3d_core.encoders.base import CombinedEncoder, Encoder, create_encoder
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import SettingsError
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.models.catalog import find, require
from om3d_core.proposals import REGISTRY
from om3d_core.proposals.base import Proposer
from om3d_core.registry import lookup
from om3d_core.segmenters.base import create_segmenter


def create_encoders(
    names: str, settings: EncoderSettings | None = None
) -> tuple[Encoder, ...]:
    """The encoders named in a comma-separated list; their weights load here."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise SettingsError("encoders: expected at least one name, got none")
    return tuple(create_encoder(name, settings) for name in dict.fromkeys(wanted))


def create_query_encoder(names: str, settings: EncoderSettings | None = None) -> Encoder:
    """One encoder that fills the spaces of all that are named; their weights load here."""
    encoders = create_encoders(names, settings)
    return encoders[0] if len(encoders) == 1 else CombinedEncoder(encoders)


def create_proposer(settings: MapSettings) -> Proposer:
    """The proposer that ``settings.proposals`` names; its weights load here."""
    method = settings.proposals.method
    factory: Callable[[object], Proposer] = lookup(REGISTRY, method, "proposer")
    if method == "precomputed":
        return factory(settings.proposals.path)
    group = getattr(settings, method)
    checkpoint = getattr(group, "checkpoint", "")
    if find(checkpoint) is not None:
        path = require(checkpoint, f"{method}.checkpoint")
        group = replace(group, checkpoint=str(path))
    return factory(group)


def create_mapper(settings: MapSettings, encoders: Sequence[Encoder] | None = None) -> Mapper:
    """A Mapper with everything loaded; ``encoders`` may be shared with other users."""
    return Mapper(
        settings,
        create_proposer(settings),
        create_encoders(settings.features.encoders, settings.encoders)
        if encoders is None
        else encoders,
        create_segmenter(settings.segmenter),
    )

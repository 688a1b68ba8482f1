"""Puts a Mapper together from its settings: proposer, encoders and segmenter by name."""

from __future__ import annotations

from collections.abc import Sequence

from om3d_core.encoders.base import Encoder, create_encoder
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import SettingsError
from om3d_core.evidence.detections import create_class_reader
from om3d_core.evidence.printed_text import TextReader
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.proposals import REGISTRY as PROPOSERS
from om3d_core.proposals.base import Proposer
from om3d_core.segmenters import REGISTRY as SEGMENTERS
from om3d_core.settings import split_names


def create_encoders(
    names: str, settings: EncoderSettings | None = None
) -> tuple[Encoder, ...]:
    """The encoders named in a comma-separated list; their weights load here."""
    wanted = split_names(names)
    if not wanted:
        raise SettingsError("encoders: expected at least one name, got none")
    return tuple(create_encoder(name, settings) for name in wanted)


def create_proposer(settings: MapSettings) -> Proposer:
    """The proposer that ``settings.proposals`` names; its weights load here."""
    proposer: Proposer = PROPOSERS.create(settings.proposals.method, settings.proposers)
    return proposer


def create_mapper(settings: MapSettings, encoders: Sequence[Encoder] | None = None) -> Mapper:
    """A Mapper with everything loaded; ``encoders`` may be shared with other users."""
    return Mapper(
        settings,
        create_proposer(settings),
        create_encoders(settings.features.encoders, settings.encoders)
        if encoders is None
        else encoders,
        SEGMENTERS.create(settings.segmenter.method, settings.segmenters),
        TextReader() if settings.text.enabled else None,
        create_class_reader(settings.detections, settings.detectors),
    )

"""Which models settings need, and whether a model loads and works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.encoders import REGISTRY as ENCODERS
from om3d_core.encoders.base import create_encoder
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import ModelError
from om3d_core.evidence.detections import AUTO, NONE, DetectorSettings
from om3d_core.evidence.detectors import REGISTRY as DETECTORS
from om3d_core.mapping.settings import MapSettings
from om3d_core.models.catalog import CATALOG, find, require
from om3d_core.models.pretrained import read_config
from om3d_core.proposals import REGISTRY as PROPOSERS
from om3d_core.proposals.settings import ProposerSettings
from om3d_core.registry import PluginSettings, Registry
from om3d_core.segmenters import REGISTRY as SEGMENTERS
from om3d_core.segmenters.settings import SegmenterSettings
from om3d_core.settings import Value, build, flatten, split_names, values_of

SIDE_PX = 64


@dataclass(frozen=True)
class Need:
    """A plug-in that is used (empty: the one that reads the model), and with which model.

    reference: the value of the plug-in's setting that names its model; the plug-in's own name
    where it has none.
    """

    plugin: str
    reference: str


def needs_of(values: Mapping[str, Value]) -> Iterator[Need]:
    """The models that a map with these settings needs; absent ones have their defaults."""
    names = {leaf.name for leaf in flatten(MapSettings)}
    settings = build(MapSettings, {n: v for n, v in values.items() if n in names})
    given = values_of(settings)
    for registry, name in (
        (PROPOSERS, settings.proposals.method), (SEGMENTERS, settings.segmenter.method)
    ):
        if registry.plugin(name).weights:
            yield _need(registry, name, given)
    if settings.detections.method not in (AUTO, NONE):
        yield _need(DETECTORS, settings.detections.method, given)
    for name in split_names(settings.features.encoders):
        yield _need(ENCODERS, name, given)


def check_model(need: Need) -> str:
    """Load a model, run it once, and say what it is. Raises :class:`ModelError` if it does not."""
    name = need.plugin or _reader_of(need.reference)
    if name in SEGMENTERS:
        segmenter = SEGMENTERS.create(name, _with_model(SEGMENTERS, SegmenterSettings, name, need))
        blank = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
        if segmenter is not None:
            segmenter.segment(blank, [np.arange(SIDE_PX, dtype=np.int32)], [0])
        return "loads; a segmenter"
    if name in DETECTORS:
        detector = DETECTORS.create(name, _with_model(DETECTORS, DetectorSettings, name, need))
        detector.detect([np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)])
        return "loads; a detector"
    if name in PROPOSERS:
        PROPOSERS.create(name, _with_model(PROPOSERS, ProposerSettings, name, need))
        return "loads; a proposer"
    if name not in ENCODERS:
        raise ModelError(f"expected a model that om3d can use, got {need.reference!r}")
    encoder = create_encoder(name, _with_model(ENCODERS, EncoderSettings, name, need))
    encoder.encode_images([np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)])
    encoder.encode_texts(["a mug"])
    return "loads; " + ", ".join(f"{space.name}, {space.dim}-d" for space in encoder.spaces)


def _need(registry: Registry, name: str, given: Mapping[str, Value]) -> Need:
    """What a plug-in needs; where no model is set, the first of the catalog that is for it."""
    weights = registry.plugin(name).weights
    reference = str(given[f"{name}.{weights}"]) if weights else ""
    if not reference:
        published = (model.reference for model in CATALOG if model.family == name)
        reference = next(published, name)
    return Need(name, reference)


def _with_model(
    registry: Registry, tree: type[PluginSettings], name: str, need: Need
) -> Any:
    """The settings of the plug-ins with the needed model for one; those of others are default."""
    weights = registry.plugin(name).weights
    if not weights:
        return tree()
    return build(tree, {f"{name}.{weights}": need.reference})


def _reader_of(reference: str) -> str:
    """The plug-in that reads a model, by name, the catalog, the file's suffix or config.json."""
    registries: tuple[Registry, ...] = (ENCODERS, SEGMENTERS, PROPOSERS, DETECTORS)
    if any(reference in registry for registry in registries):
        return reference
    known = find(reference)
    if known is not None:
        return known.family
    readers: dict[str, str] = {}
    for registry in registries:
        for name in registry:
            for kind in getattr(registry.implementation(name), "types", ()):
                readers.setdefault(kind, name)
    path = require(reference, "model")
    if path.is_file():
        return readers.get(path.suffix, "")
    kinds = tuple(kind for kind in readers if not kind.startswith("."))
    return readers[str(read_config(Path(path), kinds)["model_type"])]

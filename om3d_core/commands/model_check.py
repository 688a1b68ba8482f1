"""Which models settings need, and whether a model loads and works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from om3d_core.encoders import REGISTRY as ENCODERS
from om3d_core.encoders.base import create_encoder
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import ModelError
from om3d_core.mapping.settings import MapSettings
from om3d_core.models.catalog import find, require
from om3d_core.models.pretrained import read_config
from om3d_core.segmenters.base import SegmenterSettings, create_segmenter
from om3d_core.settings import Value, build, flatten

FAMILY_OF_TYPE = {
    "clip": "clip", "siglip": "siglip", "dinov2": "dinov2", "dinov2_with_registers": "dinov2",
    "sam": "sam",
}  # fmt: skip
PUBLISHED = {"mask3d": "scannet200_model.ckpt", "segment3d": "segment3d.ckpt"}
SIDE_PX = 64


@dataclass(frozen=True)
class Need:
    """A model that is used: as what (empty: as what it is), and the value of its setting."""

    family: str
    reference: str


def needs_of(values: Mapping[str, Value]) -> Iterator[Need]:
    """The models that a map with these settings needs; absent ones have their defaults."""
    names = {leaf.name for leaf in flatten(MapSettings)}
    settings = build(MapSettings, {n: v for n, v in values.items() if n in names})
    method = settings.proposals.method
    if method in PUBLISHED:
        yield Need(method, getattr(settings, method).checkpoint or PUBLISHED[method])
    if settings.segmenter.method == "sam":
        yield Need("sam", settings.segmenter.model)
    for name in settings.features.encoders.split(","):
        encoder = getattr(settings.encoders, name.strip(), None)
        yield Need(name.strip(), name.strip() if encoder is None else encoder.model)


def check_model(need: Need) -> str:
    """Load a model, run it once, and say what it is. Raises :class:`ModelError` if it does not."""
    family = need.family or _family(need.reference)
    if family == "sam":
        segmenter = create_segmenter(SegmenterSettings(method="sam", model=need.reference))
        blank = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
        if segmenter is not None:
            segmenter.segment(blank, [np.arange(SIDE_PX, dtype=np.int32)], [0])
        return "loads; a segmenter"
    if family in PUBLISHED:
        from om3d_core.proposals.mask3d.checkpoint import load_network

        settings = getattr(MapSettings(), family)
        network = load_network(
            require(need.reference, f"{family}.checkpoint"), settings.num_heads
        )
        n_weights = sum(weight.numel() for weight in network.parameters())
        return f"loads; proposals, {n_weights / 1e6:.1f} million weights"
    if family not in ENCODERS:
        raise ModelError(f"expected a model that om3d can use, got {need.reference!r}")
    settings = EncoderSettings()
    if (group := getattr(settings, family, None)) is not None:
        settings = replace(settings, **{family: replace(group, model=need.reference)})
    encoder = create_encoder(family, settings)
    encoder.encode_images([np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)])
    encoder.encode_texts(["a mug"])
    return "loads; " + ", ".join(f"{space.name}, {space.dim}-d" for space in encoder.spaces)


def _family(reference: str) -> str:
    """What a model is, by the catalog, by its file's suffix or by its config.json."""
    known = find(reference)
    if known is not None:
        return known.family
    path = require(reference, "model")
    if path.is_file():
        return "sam" if path.suffix == ".pth" else "mask3d"
    return FAMILY_OF_TYPE[str(read_config(Path(path), tuple(FAMILY_OF_TYPE))["model_type"])]

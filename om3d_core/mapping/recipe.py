"""What a Scene depends on beside its inputs."""

from __future__ import annotations

import hashlib

from om3d_core.mapping.embedder import Embedder
from om3d_core.mapping.names import Namer
from om3d_core.mapping.settings import MapSettings
from om3d_core.settings import values_of

STORAGE = ("keyframes.", "save.")
"""Settings that do not change what is made of the keyframes."""


def recipe_of(
    settings: MapSettings, embedder: Embedder, namer: Namer, reads: tuple[bool, ...]
) -> str:
    """A digest of settings, models and which readers of views there are."""
    used = {k: v for k, v in values_of(settings).items() if not k.startswith(STORAGE)}
    parts = sorted(used.items()), [space.name for space in embedder.spaces], namer.digest, reads
    return hashlib.sha256(repr(parts).encode()).hexdigest()

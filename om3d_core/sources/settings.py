"""The settings of sources."""

from __future__ import annotations

from om3d_core.registry import PluginSettings
from om3d_core.sources import REGISTRY


class SourceSettings(PluginSettings):
    """The settings of every source that has some, by its registered name."""

    registry = REGISTRY

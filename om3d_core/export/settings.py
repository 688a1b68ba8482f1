"""The settings of the export formats."""

from __future__ import annotations

from om3d_core.export import REGISTRY
from om3d_core.registry import PluginSettings


class ExportSettings(PluginSettings):
    """The settings of every format that has some, by its registered name."""

    registry = REGISTRY

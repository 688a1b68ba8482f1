"""Which proposer makes the 3D masks, and the settings of each."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.proposals import REGISTRY
from om3d_core.registry import PluginSettings
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class ProposalSettings(Settings):
    """Where the 3D masks come from."""

    method: str = setting("geometric", "source of the 3D masks", choices=REGISTRY)


class ProposerSettings(PluginSettings):
    """The settings of every proposer that has some, by its registered name."""

    registry = REGISTRY

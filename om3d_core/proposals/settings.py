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
    tile_m: float = setting(
        6.0, "a cloud longer than this and two meters is cut into tiles of this side, meters, of "
        "which only those that changed are proposed on anew (geometric only)", low=4.0,
        high=10_000.0,
    )


class ProposerSettings(PluginSettings):
    """The settings of every proposer that has some, by its registered name."""

    registry = REGISTRY

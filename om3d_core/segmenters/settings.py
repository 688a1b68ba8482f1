"""Which segmenter refines crops, and the settings of each."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.registry import PluginSettings
from om3d_core.segmenters import REGISTRY
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class RefinementSettings(Settings):
    """Whether and how crops are refined by a 2D mask."""

    method: str = setting(
        "none", "what grows a mask from the visible points, whose box is then the crop; none: the"
        " crop is the box of the points themselves",
        choices=REGISTRY,
    )


class SegmenterSettings(PluginSettings):
    """The settings of every segmenter that has some, by its registered name."""

    registry = REGISTRY

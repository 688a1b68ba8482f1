"""2D masks of the instances in a view, from their visible points; one file a model family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from om3d_core.registry import Plugin, Registry

if TYPE_CHECKING:
    from om3d_core.segmenters.base import Segmenter

REGISTRY: Registry[Segmenter | None] = Registry("segmenter", {
    "none": Plugin("om3d_core.segmenters.none:no_segmenter"),
    "sam": Plugin("om3d_core.segmenters.sam:SamSegmenter", "SamSettings", "model"),
})

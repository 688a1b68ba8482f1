"""2D masks of the instances in a view, from their visible points; one file a model family."""

from om3d_core.registry import Plugin, Registry

REGISTRY = Registry("segmenter", {
    "none": Plugin("om3d_core.segmenters.none:no_segmenter"),
    "sam": Plugin("om3d_core.segmenters.sam:SamSegmenter", "SamSettings", "model"),
})

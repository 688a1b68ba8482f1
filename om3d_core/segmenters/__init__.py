"""2D masks of the instances in a view, from their visible points; one file a model family."""

REGISTRY = {"sam": "om3d_core.segmenters.sam:SamSegmenter"}

"""Image and text encoders, one file a model family."""

REGISTRY = {"lite": "om3d_core.encoders.lite:LiteEncoder"}

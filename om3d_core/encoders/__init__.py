"""Image and text encoders, one file a model family."""

REGISTRY = {
    "clip": "om3d_core.encoders.clip:ClipEncoder",
    "dinov2": "om3d_core.encoders.dinov2:Dinov2Encoder",
    "lite": "om3d_core.encoders.lite:LiteEncoder",
    "siglip": "om3d_core.encoders.siglip:SiglipEncoder",
}

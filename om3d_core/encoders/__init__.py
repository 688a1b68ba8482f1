"""Image and text encoders, one file a model family."""

from om3d_core.registry import Plugin, Registry

REGISTRY = Registry("encoder", {
    "lite": Plugin("om3d_core.encoders.lite:LiteEncoder"),
    "clip": Plugin("om3d_core.encoders.clip:ClipEncoder", "ClipSettings", "model"),
    "siglip": Plugin("om3d_core.encoders.siglip:SiglipEncoder", "SiglipSettings", "model"),
    "dinov2": Plugin("om3d_core.encoders.dinov2:Dinov2Encoder", "Dinov2Settings", "model"),
})

"""Detectors of things in images, by any set of classes; one file a family."""

from om3d_core.registry import Plugin, Registry

REGISTRY = Registry("detector", {
    "ssd_mobilenet": Plugin("om3d_core.evidence.detectors.ssd_mobilenet:SsdMobilenet"),
    "transformers_detector": Plugin(
        "om3d_core.evidence.detectors.transformers_detector:TransformersDetector",
        "TransformersDetectorSettings", "model",
    ),
    "torchvision_detector": Plugin(
        "om3d_core.evidence.detectors.torchvision_detector:TorchvisionDetector",
        "TorchvisionDetectorSettings", "model",
    ),
})

"""Any object detector of the transformers library: DETR, RT-DETR, YOLOS, ..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from om3d_core.errors import ModelError, reason_of
from om3d_core.evidence.detectors.base import Detection, Image
from om3d_core.models.catalog import require
from om3d_core.models.devices import DEVICES, choose_device
from om3d_core.models.pretrained import load_pretrained
from om3d_core.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

MIN_SCORE = 0.05


@dataclass(frozen=True)
class TransformersDetectorSettings(Settings):
    """Which detector is loaded."""

    model: str = setting(
        "PekingU/rtdetr_r50vd", "folder, or name on the Hugging Face hub, of an object detector"
        " of transformers",
    )
    device: str = setting(
        "auto", "where the network runs; auto takes a GPU if there is one", choices=DEVICES
    )


class TransformersDetector:
    """The classes of a model's ``id2label``; an image is prepared as its processor says.

    Raises :class:`ModelError` where the model is not on this machine, is no object detector or
    lacks weights.
    """

    def __init__(self, settings: TransformersDetectorSettings):
        folder = require(settings.model, "transformers_detector.model")
        self._device = choose_device(settings.device)
        self._network = load_pretrained(folder, "AutoModelForObjectDetection").to(self._device)
        self._processor = _processor(folder)

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """See :class:`om3d_core.evidence.detectors.base.Detector`; an image is a pass."""
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> list[Detection]:
        import torch

        inputs = self._processor(images=[image], return_tensors="pt").to(self._device)
        with torch.inference_mode():
            output = self._network(**inputs)
        found = self._processor.post_process_object_detection(
            output, threshold=MIN_SCORE, target_sizes=[image.shape[:2]]
        )[0]
        names = self._network.config.id2label
        return [
            Detection(str(names[int(label)]), float(score), box)
            for label, score, box in zip(
                found["labels"], found["scores"], map(_corners, found["boxes"]), strict=True
            )
        ]


def _corners(box: Tensor) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box.tolist()
    return x1, y1, x2, y2


def _processor(folder: Path) -> Any:
    from transformers import AutoImageProcessor

    processors: Any = AutoImageProcessor
    try:
        return processors.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise ModelError(
            f"{folder}: expected an image processor (preprocessor_config.json), got:"
            f" {reason_of(error)}"
        ) from error

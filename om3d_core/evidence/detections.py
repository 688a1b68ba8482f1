"""What a 2D detector takes each thing for, in its best views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.words import MAX_WORDS, Word, Words
from om3d_core.evidence.detectors import REGISTRY
from om3d_core.evidence.detectors.base import Detection, Detector
from om3d_core.evidence.windows import Window
from om3d_core.models.catalog import SSD_MOBILENET, is_here
from om3d_core.registry import PluginSettings
from om3d_core.settings import Settings, setting

MIN_CONFIDENCE = 0.1
MIN_OVERLAP = 0.4
AUTO, NONE, SSD = "auto", "none", "ssd_mobilenet"


@dataclass(frozen=True)
class DetectionSettings(Settings):
    """Which detector looks at things."""

    method: str = setting(
        AUTO, "2D detector whose classes count when a thing is asked for; auto: ssd_mobilenet if"
        " its weights are here (om3d models pull ssd_mobilenet_v2_coco), else none",
        choices=(AUTO, NONE, *REGISTRY),
    )
    views: int = setting(2, "best views of each instance that it sees", low=1, high=100)


class DetectorSettings(PluginSettings):
    """The settings of every detector that has some, by its registered name."""

    registry = REGISTRY


def lacking(settings: DetectionSettings) -> str:
    """What a map goes without as the weights of the default detector are not here, or nothing."""
    if settings.method != AUTO or is_here(SSD_MOBILENET.name):
        return ""
    return (
        f"no 2D detector looks at things: {SSD_MOBILENET.name} is not on this machine (om3d models"
        f" pull {SSD_MOBILENET.name}; detections.method: none is content without)"
    )


def create_class_reader(
    settings: DetectionSettings, detectors: DetectorSettings
) -> ClassReader | None:
    """The reader of the detector that the settings name, or None for none."""
    method = settings.method
    if method == AUTO:
        method = SSD if is_here(SSD_MOBILENET.name) else NONE
    return None if method == NONE else ClassReader(REGISTRY.create(method, detectors))


class ClassReader:
    """The classes that a detector takes the thing in a window for.

    A thing is what a detection overlaps by 0.4 (intersection over union of the boxes); a class has
    the confidence of the surest such detection, from 0.1 on.
    """

    margin = 0.35

    def __init__(self, detector: Detector):
        self._detector = detector

    def read(self, windows: Sequence[Window]) -> list[Words]:
        """The classes of the thing in each window; they depend on that window only."""
        found = self._detector.detect([window.rgb for window in windows])
        return [classes_of(seen, w.box) for seen, w in zip(found, windows, strict=True)]


def classes_of(detections: Sequence[Detection], box: npt.NDArray[np.int32]) -> Words:
    """The classes of a thing in ``box`` (x1, y1, x2, y2), the surest first."""
    best: dict[str, float] = {}
    for found in detections:
        if found.confidence >= MIN_CONFIDENCE and overlap(found.box, box) >= MIN_OVERLAP:
            best[found.name] = max(best.get(found.name, 0.0), min(found.confidence, 1.0))
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Word(name, float(np.float32(sure))) for name, sure in ranked[:MAX_WORDS])


def overlap(a: Sequence[float], b: npt.NDArray[np.int32]) -> float:
    """Intersection over union of two boxes x1, y1, x2, y2, 0 where neither has an area."""
    sides = [max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1)]
    shared = sides[0] * sides[1]
    areas = (max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (a, b))
    union = sum(areas) - shared
    return float(shared / union) if union > 0 else 0.0

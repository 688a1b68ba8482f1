"""Classes of things out of detections around them, and the readers that settings name."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.errors import SettingsError
from om3d_core.evidence.detections import (
    ClassReader,
    DetectionSettings,
    DetectorSettings,
    classes_of,
    create_class_reader,
    overlap,
)
from om3d_core.evidence.detectors.base import Detection
from om3d_core.evidence.windows import Window

BOX = np.array([10, 10, 30, 30], np.int32)


@pytest.mark.parametrize(("other", "share"), [
    ((10, 10, 30, 30), 1.0), ((10, 10, 30, 20), 0.5), ((20, 20, 40, 40), 100 / 700),
    ((30, 10, 50, 30), 0.0), ((-50, 0, 5, 5), 0.0), ((20, 20, 20, 20), 0.0),
    ((28, 28, 12, 12), 0.0),
])  # fmt: skip
def test_overlaps(other, share):
    assert overlap(other, BOX) == pytest.approx(share)


def test_a_thing_is_what_detections_that_overlap_it_say():
    inside, beside = (11.0, 11.0, 29.0, 29.0), (25.0, 25.0, 60.0, 60.0)
    found = [
        Detection("cup", 0.4, inside), Detection("bowl", 0.9, inside),
        Detection("cup", 0.6, inside), Detection("table", 0.95, beside),
        Detection("vase", 0.09, inside), Detection("sure", 1.01, inside),
    ]  # fmt: skip
    told = [(word.text, round(word.confidence, 3)) for word in classes_of(found, BOX)]
    assert told == [("sure", 1.0), ("bowl", 0.9), ("cup", 0.6)]
    assert classes_of([], BOX) == ()
    many = [Detection(f"class {i}", 0.5, inside) for i in range(99)]
    assert len(classes_of(many, BOX)) == 32


def test_a_window_is_judged_by_its_own_detections():
    class Sees:
        def detect(self, images):
            return [[Detection("tall" if len(i) > 20 else "low", 0.5, (10, 10, 30, 30))]
                    for i in images]

    windows = [Window(np.zeros((side, 40, 3), np.uint8), BOX) for side in (40, 15)]
    read = ClassReader(Sees()).read(windows)
    assert [words[0].text for words in read] == ["tall", "low"]


@pytest.mark.usefixtures("empty_caches")
def test_without_its_weights_the_default_looks_at_nothing():
    assert create_class_reader(DetectionSettings(), DetectorSettings()) is None
    assert create_class_reader(DetectionSettings(method="none"), DetectorSettings()) is None
    with pytest.raises(SettingsError, match=r"one of auto, none, ssd_mobilenet"):
        DetectionSettings(method="yolo")

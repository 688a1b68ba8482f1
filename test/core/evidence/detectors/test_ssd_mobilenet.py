"""SSD-MobileNetV2 with its real weights, where set-up could fetch them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from om3d_core.errors import InputError, ModelError
from om3d_core.evidence.detections import (
    ClassReader,
    DetectionSettings,
    DetectorSettings,
    create_class_reader,
)
from om3d_core.evidence.detectors.ssd_mobilenet import SsdMobilenet
from om3d_core.evidence.windows import Window
from om3d_core.models.catalog import SSD_MOBILENET, file_path, is_here

weights = pytest.mark.skipif(
    not is_here(SSD_MOBILENET.name),
    reason="ssd_mobilenet_v2_coco is not on this machine (om3d models pull)",
)


def clock():
    """A drawn clock (300, 300, 3) in the middle of a gray wall (400, 500, 3)."""
    image = np.full((400, 500, 3), 200, np.uint8)
    cv2.circle(image, (250, 200), 120, (250, 250, 245), -1, cv2.LINE_AA)
    cv2.circle(image, (250, 200), 120, (20, 20, 20), 8, cv2.LINE_AA)
    for hour in range(1, 13):
        angle = np.deg2rad(30 * hour - 90)
        x, y = 250 + 95 * np.cos(angle), 200 + 95 * np.sin(angle)
        cv2.putText(image, str(hour), (int(x) - 10, int(y) + 8), cv2.FONT_HERSHEY_SIMPLEX, 0.7,
                    (20, 20, 20), 2, cv2.LINE_AA)
    cv2.line(image, (250, 200), (205, 165), (10, 10, 10), 7, cv2.LINE_AA)
    cv2.line(image, (250, 200), (290, 125), (10, 10, 10), 4, cv2.LINE_AA)
    return image


@pytest.fixture(scope="module")
def detector():
    return SsdMobilenet()


@weights
def test_a_clock_is_seen_where_it_is_and_alone_as_with_others(detector):
    first, blank, again = detector.detect([clock(), np.zeros((9, 700, 3), np.uint8), clock()])
    best = max(first, key=lambda found: found.confidence)
    assert best.name == "clock" and best.confidence > 0.5
    np.testing.assert_allclose(best.box, (130, 80, 370, 320), atol=25)
    assert first == again == detector.detect([clock()])[0]
    assert all(found.confidence < 0.5 for found in blank)


@weights
def test_the_default_reader_names_the_thing_in_the_box():
    reader = create_class_reader(DetectionSettings(), DetectorSettings())
    assert isinstance(reader, ClassReader)
    there, beside = np.array([130, 80, 370, 320]), np.array([0, 0, 60, 60])
    named, none = reader.read([Window(clock(), b.astype(np.int32)) for b in (there, beside)])
    assert named[0].text == "clock" and none == ()


@weights
def test_a_chair_of_a_real_kitchen_is_seen(detector, shared_data):
    path = shared_data / "data" / "redkitchen" / "color" / "0.jpg"
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    found = {d.name: d.confidence for d in reversed(detector.detect([image])[0])}
    assert found["chair"] > 0.7 and found["dining table"] > 0.5
    assert found["chair"] > found.get("person", 0)


@weights
@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_image_is_refused(detector, image):
    with pytest.raises(InputError, match="an RGB image"):
        detector.detect([image])


@pytest.mark.usefixtures("empty_caches")
def test_missing_and_damaged_weights_are_told():
    with pytest.raises(ModelError, match="om3d models pull ssd_mobilenet_v2_coco"):
        SsdMobilenet()
    folder = file_path(SSD_MOBILENET)
    folder.mkdir(parents=True)
    for name in SSD_MOBILENET.files:
        (folder / name).write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"expected a network for OpenCV"):
        SsdMobilenet()

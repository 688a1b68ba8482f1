"""Detectors of transformers: real loading code on tiny random checkpoints written to disk."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.tiny_models import one_thread  # noqa: F401

from om3d_core.errors import ModelError
from om3d_core.evidence.detectors.transformers_detector import (
    TransformersDetector,
    TransformersDetectorSettings,
)

NAMES = {0: "mug", 1: "chair", 2: "no thing that has a short name"}


def tiny_yolos(folder):
    import torch
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    torch.manual_seed(3)
    config = YolosConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        image_size=[48, 64], patch_size=16, num_detection_tokens=7, id2label=NAMES,
        label2id={name: i for i, name in NAMES.items()},
    )  # fmt: skip
    YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessor(size={"height": 48, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_yolos(tmp_path_factory.mktemp("yolos"))


def test_it_sees_what_the_network_says(folder):
    import torch
    from transformers import YolosForObjectDetection, YolosImageProcessor

    detector = TransformersDetector(TransformersDetectorSettings(model=str(folder)))
    images = [np.random.default_rng(i).integers(0, 255, (40 + 9 * i, 70, 3), np.uint8)
              for i in range(2)]
    found = detector.detect(images)
    assert [detector.detect([image])[0] for image in images] == found
    network = YolosForObjectDetection.from_pretrained(folder).eval()
    pixels = YolosImageProcessor.from_pretrained(folder)(images, return_tensors="pt")
    with torch.inference_mode():
        output = network(pixels["pixel_values"][:1])
    chance, label = output.logits.softmax(-1)[0, :, :-1].max(-1)
    seen = sorted(found[0], key=lambda d: d.confidence)
    assert len(seen) == 7
    np.testing.assert_allclose([d.confidence for d in seen], np.sort(chance), atol=1e-5)
    order = np.argsort(chance.numpy())
    assert [d.name for d in seen] == [NAMES[int(i)] for i in label[order]]
    cx, cy, w, h = (output.pred_boxes[0, order].T.numpy() * [[70], [40], [70], [40]])
    boxes = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=1)
    np.testing.assert_allclose([d.box for d in seen], boxes, atol=1e-3)


def test_what_is_no_detector_is_told(folder, tmp_path):
    def load(model):
        return TransformersDetector(TransformersDetectorSettings(model=str(model)))

    with pytest.raises(ModelError, match=r"transformers_detector.model"):
        load(tmp_path / "nowhere" / "model.pt")
    with pytest.raises(ModelError, match="neither"):
        load(tmp_path)
    (folder / "preprocessor_config.json").rename(tmp_path / "moved.json")
    try:
        with pytest.raises(ModelError, match=r"expected an image processor"):
            load(folder)
    finally:
        (tmp_path / "moved.json").rename(folder / "preprocessor_config.json")

"""Detectors of torchvision: real loading code on random weights written to disk."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from helpers.tiny_models import one_thread  # noqa: F401

from om3d_core.errors import ModelError
from om3d_core.evidence.detectors.torchvision_detector import (
    TorchvisionDetector,
    TorchvisionDetectorSettings,
)

NAME = "ssdlite320_mobilenet_v3_large"
installed = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed"
)


@installed
def test_it_sees_what_the_network_says(tmp_path):
    import torch
    from torchvision.models import get_model, get_model_weights

    torch.manual_seed(4)
    network = get_model(NAME, weights=None, weights_backbone=None).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    detector = TorchvisionDetector(
        TorchvisionDetectorSettings(model=NAME, weights=str(tmp_path / "w.pth"))
    )
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    found = detector.detect([image])[0]
    with torch.inference_mode():
        rows = network([torch.from_numpy(image).permute(2, 0, 1) / 255])[0]
    names = get_model_weights(NAME).DEFAULT.meta["categories"]
    assert [d.name for d in found] == [names[i] for i in rows["labels"]]
    np.testing.assert_allclose([d.confidence for d in found], rows["scores"])
    np.testing.assert_allclose([d.box for d in found], rows["boxes"])


@installed
def test_what_cannot_be_loaded_is_told(tmp_path):
    def load(**settings):
        return TorchvisionDetector(TorchvisionDetectorSettings(**settings))

    with pytest.raises(ModelError, match="expected a detector of torchvision, got 'nobody'"):
        load(model="nobody")
    with pytest.raises(ModelError, match=r"w\.pth is not on this machine; fetch https://"):
        load(model=NAME, weights=str(tmp_path / "w.pth"))
    (tmp_path / "w.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"w\.pth: expected the weights of the detector"):
        load(model=NAME, weights=str(tmp_path / "w.pth"))


def test_without_torchvision_that_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ModelError, match="expected the package torchvision"):
        TorchvisionDetector(TorchvisionDetectorSettings())

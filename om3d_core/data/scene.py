"""Scene: an immutable snapshot of the map, with everything that a query needs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box, fit_box
from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.data.words import MAX_WORDS, Words
from om3d_core.errors import expect

MAX_ID = 2**32 - 1
MAP_ID = re.compile(r"(?:[0-9a-f]{32})?")
DIGEST = re.compile(r"(?:[0-9a-f]{64})?")

WordsOfViews = tuple[tuple[Words, ...], ...]
"""For each instance those of its views, none for one that was not read."""


@dataclass(frozen=True, eq=False)
class Scene:
    """N instances on a cloud.

    revision: counts the changes of the map, from 1; the larger one of a map is the newer.
    ids: (N,) int64, from 1, stable across revisions.
    up: (3,) float64 unit vector against gravity, in the map frame. features: one table a space.
    thumbnails: for each instance one JPEG file content a view, in the order of ``views``.
    labels: a name for each instance, empty where it has none. label_probabilities: (N,) float32,
    how likely it is right: 0 without a name, 1 for one that was given and is not to be changed.
    words, detections: what was read on each view of each instance, and the classes that it was
    taken for there; may be given for the first views only.
    next_id: the id of the next new instance, above every id that was ever given.
    map_id: which map the revision counts, 32 hexadecimal digits; empty where it is not known.
    camera_frames: name of the camera's coordinate frame by stamp of the view, where it is known.
    cloud_given: whether the cloud came from outside and was not fused from keyframes.
    frame: name of the coordinate frame that all is in, empty where it is not known.
    made_by, made_from: digests of the settings and models, and of the inputs that the Scene was
    made with and of; empty where they are not known.
    """

    revision: int
    cloud: Cloud
    masks: InstanceMasks
    ids: npt.NDArray[np.int64]
    up: npt.NDArray[np.float64]
    views: ViewTable
    features: tuple[FeatureTable, ...]
    thumbnails: tuple[tuple[bytes, ...], ...]
    labels: tuple[str, ...]
    next_id: int = 1
    map_id: str = ""
    camera_frames: Mapping[int, str] = field(default_factory=dict)
    cloud_given: bool = False
    made_by: str = ""
    made_from: str = ""
    frame: str = ""
    label_probabilities: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(0, np.float32)
    )
    words: WordsOfViews = ()
    detections: WordsOfViews = ()

    def __post_init__(self) -> None:
        n = len(self.ids)
        expect(self.ids.shape == (n,) and self.ids.dtype == np.int64,
               "ids of shape (N,) and dtype int64", (self.ids.shape, self.ids.dtype))
        expect(not n or (int(self.ids.min()) >= 1 and int(self.ids.max()) <= MAX_ID),
               f"ids in 1..{MAX_ID}", self.ids)
        object.__setattr__(self, "next_id", max(self.next_id, int(self.ids.max(initial=0)) + 1))
        expect(self.revision >= 0, "a revision of at least 0", self.revision)
        expect(MAP_ID.fullmatch(self.map_id) is not None,
               "map_id, 32 hexadecimal digits or none", repr(self.map_id[:40]))
        for name, digest in (("made_by", self.made_by), ("made_from", self.made_from)):
            expect(DIGEST.fullmatch(digest) is not None,
                   f"{name}, 64 hexadecimal digits or none", repr(digest[:80]))
        expect(self.masks.n_points == len(self.cloud), f"masks over {len(self.cloud)} points",
               self.masks.n_points)
        self._check_labels()
        expect(len(np.unique(self.ids)) == n, "unique ids", "duplicates")
        expect(self.up.shape == (3,) and abs(math.hypot(*self.up.tolist()) - 1) < 1e-6,
               "a unit up vector (3,)", self.up)
        lengths = {len(self.masks), len(self.views.stamps), len(self.thumbnails), len(self.labels)}
        lengths |= {len(table.vectors) for table in self.features}
        expect(lengths == {n}, f"{n} masks, views, thumbnails, labels and features", lengths)
        expect(bool((self.masks.sizes > 0).all()), "a point in every mask", "an empty mask")
        k = self.views.stamps.shape[1]
        expect(all(table.valid.shape[1] == k for table in self.features),
               f"features of {k} views", [table.valid.shape for table in self.features])
        expect(max(map(len, self.thumbnails), default=0) <= k, f"at most {k} thumbnails",
               "more")
        for name, told in (("words", self.words), ("detections", self.detections)):
            object.__setattr__(self, name, _of_views(told, name, n, k))

    def _check_labels(self) -> None:
        """Names of unknown probability were given."""
        named = np.array([bool(label) for label in self.labels], bool)
        if not len(self.label_probabilities):
            object.__setattr__(self, "label_probabilities", named.astype(np.float32))
        p = self.label_probabilities
        expect(p.shape == named.shape and p.dtype == np.float32,
               f"label_probabilities of shape {named.shape} and dtype float32", (p.shape, p.dtype))
        expect(bool(((p >= 0) & (p <= 1) & (named | (p == 0))).all()),
               "label_probabilities in 0..1, 0 where there is no label", "others")

    @classmethod
    def empty(cls, revision: int = 0, map_id: str = "") -> Scene:
        """A map of nothing, z up."""
        return cls(
            revision, Cloud.empty(), InstanceMasks.empty(0), np.zeros(0, np.int64),
            np.array([0.0, 0.0, 1.0]), ViewTable.empty(0, 0), (), (), (), map_id=map_id,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        """The upright box of each instance."""
        return tuple(fit_box(self.cloud.points[m], self.up) for m in self.members())

    @cached_property
    def centroids(self) -> npt.NDArray[np.float64]:
        """(N, 3) mean point of each instance, meters."""
        rows = [self.cloud.points[m].mean(axis=0, dtype=np.float64) for m in self.members()]
        return np.array(rows).reshape(-1, 3)

    def members(self) -> list[npt.NDArray[np.int32]]:
        """The point indices of each instance."""
        return [self.masks[i] for i in range(len(self))]


def _of_views(told: WordsOfViews, name: str, n: int, k: int) -> WordsOfViews:
    """Words of n instances, filled up to k views each."""
    told = told if any(map(any, told)) else ((),) * n
    expect(len(told) == n and max(map(len, told), default=0) <= k,
           f"{name} of {n} instances and at most {k} views", len(told))
    most = max((len(view) for views in told for view in views), default=0)
    expect(most <= MAX_WORDS, f"at most {MAX_WORDS} {name} a view", most)
    return tuple(views + ((),) * (k - len(views)) for views in told)

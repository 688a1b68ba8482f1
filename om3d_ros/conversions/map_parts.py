"""A map in the parts of which updates of it are made: points, masks, and views of instances."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box
from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.data.words import Words
from om3d_core.errors import expect

MAX_FEATURE_VALUES = 1 << 28
"""Of all tables of a map together, which have as many views for each instance as the most have."""

@dataclass(frozen=True)
class View:
    """One view of an instance. rows: its unit vector (D,) as float32 bytes, and the length that
    the mean over its crops had, by space.
    """

    stamp_ns: int
    camera: str
    jpeg: bytes
    rows: Mapping[FeatureSpace, tuple[bytes, float]]
    words: Words = ()
    detections: Words = ()


@dataclass(frozen=True, eq=False)
class InstanceParts:
    """One instance. points: its ascending indices (m,) int32 in the cloud; views: best first."""

    label: str
    label_probability: float
    structure: bool
    score: float
    box: Box
    points: npt.NDArray[np.int32]
    views: tuple[View, ...]


@dataclass(frozen=True, eq=False)
class MapParts:
    """A revision of a map.

    up: (3,) float64. words: (P, 4) uint32, the bits of x, y, z [m] and rgb of each point.
    instances: by ascending id.
    """

    map_id: str
    revision: int
    up: npt.NDArray[np.float64]
    words: npt.NDArray[np.uint32]
    instances: Mapping[int, InstanceParts]

    @classmethod
    def empty(cls, map_id: str) -> MapParts:
        """What a whole map is a change of."""
        return cls(map_id, 0, np.array([0.0, 0.0, 1.0]), np.zeros((0, 4), np.uint32), {})

    @classmethod
    def of(cls, scene: Scene) -> MapParts:
        """The parts of a scene. Of its views there are those with a thumbnail."""
        masks, ids = scene.masks, scene.ids.tolist()
        return cls(scene.map_id, scene.revision, scene.up, point_words(scene.cloud), {
            ids[i]: InstanceParts(
                scene.labels[i], float(scene.label_probabilities[i]), bool(masks.structure[i]),
                float(masks.scores[i]), scene.boxes[i], masks[i], views_of(scene, i),
            )
            for i in np.argsort(scene.ids).tolist()
        })  # fmt: skip

    @property
    def is_empty(self) -> bool:
        """Whether it is a map of nothing."""
        return not len(self.words) and not self.instances

    @property
    def look(self) -> Hashable:
        """Equal where points, masks, boxes, labels and scores are."""
        told = tuple((i.label, i.structure, i.score) for i in self.instances.values())
        return self.crc32, tuple(self.up.tolist()), told

    @cached_property
    def crc32(self) -> int:
        """The sum of cloud and masks, as om3d/MapUpdate says."""
        crc = zlib.crc32(self.words.astype("<u4").data)
        for name, instance in self.instances.items():
            crc = zlib.crc32(np.array([name], "<u4").data, crc)
            crc = zlib.crc32(instance.points.astype("<u4").data, crc)
        return crc

    def scene(self) -> Scene:
        """The scene; raises InputError naming what is out of its range.

        The fields that only the mapper needs (pixel counts and boxes of the views, normals) are
        zero.
        """
        held = list(self.instances.values())
        n, k = len(self.words), max((len(instance.views) for instance in held), default=0)
        views = ViewTable.empty(len(held), k)
        for i, instance in enumerate(held):
            views.stamps[i, : len(instance.views)] = [view.stamp_ns for view in instance.views]
        return Scene(
            revision=self.revision,
            cloud=_cloud(self.words),
            masks=InstanceMasks.from_lists(
                [instance.points for instance in held], n,
                [instance.score for instance in held], [instance.structure for instance in held],
            ),
            ids=np.array(list(self.instances), np.int64),
            up=self.up,
            views=views,
            features=_tables(held, k),
            thumbnails=tuple(tuple(v.jpeg for v in instance.views) for instance in held),
            labels=tuple(instance.label for instance in held),
            words=tuple(tuple(v.words for v in instance.views) for instance in held),
            detections=tuple(tuple(v.detections for v in instance.views) for instance in held),
            label_probabilities=np.array([i.label_probability for i in held], np.float32),
            map_id=self.map_id,
            camera_frames={
                view.stamp_ns: view.camera
                for instance in held for view in instance.views if view.camera
            },
        )  # fmt: skip


def point_words(cloud: Cloud) -> npt.NDArray[np.uint32]:
    """(P, 4) the bits of x, y, z and rgb of the points of a cloud."""
    words = np.empty((len(cloud), 4), np.uint32)
    words[:, :3] = cloud.points.view(np.uint32)
    red, green, blue = cloud.colors.astype(np.uint32).T
    words[:, 3] = red << 16 | green << 8 | blue
    return words


def views_of(scene: Scene, i: int) -> tuple[View, ...]:
    """The views of the instance at index ``i`` that have a thumbnail, best first."""
    stamps = scene.views.stamps[i][scene.views.valid[i]].tolist()
    return tuple(
        View(stamp, scene.camera_frames.get(stamp, ""), jpeg, {
            table.space: (table.vectors[i, j].tobytes(), float(table.lengths[i, j]))
            for table in scene.features if table.valid[i, j]
        }, scene.words[i][j], scene.detections[i][j])
        for j, (jpeg, stamp) in enumerate(zip(scene.thumbnails[i], stamps, strict=False))
    )  # fmt: skip


def _cloud(words: npt.NDArray[np.uint32]) -> Cloud:
    rgb = words[:, 3]
    colors = np.stack([rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255], axis=1).astype(np.uint8)
    points = np.ascontiguousarray(words[:, :3]).view(np.float32)
    return Cloud(points, colors, np.zeros((len(words), 3), np.float32))


def _tables(held: list[InstanceParts], k: int) -> tuple[FeatureTable, ...]:
    spaces: dict[str, FeatureSpace] = {}
    rows = [
        (i, j, space, row)
        for i, instance in enumerate(held)
        for j, view in enumerate(instance.views) for space, row in view.rows.items()
    ]  # fmt: skip
    for _, _, space, _ in rows:
        expect(spaces.setdefault(space.name, space) == space, f"one space {space.name}",
               "another")
    shape, dims = (len(held), k), sum(space.dim for space in spaces.values())
    expect(len(held) * k * dims <= MAX_FEATURE_VALUES,
           f"tables of at most {MAX_FEATURE_VALUES} numbers", (*shape, dims))
    vectors = {s.name: np.zeros((*shape, s.dim), np.float32) for s in spaces.values()}
    lengths = {name: np.zeros(shape, np.float32) for name in spaces}
    valid = {name: np.zeros(shape, bool) for name in spaces}
    for i, j, space, (vector, length) in rows:
        vectors[space.name][i, j] = np.frombuffer(vector, np.float32)
        lengths[space.name][i, j], valid[space.name][i, j] = length, True
    return tuple(
        FeatureTable(space, vectors[name], valid[name], lengths[name])
        for name, space in spaces.items()
    )

"""The tables of the OpenMask3D++ paper, made from scenes: every row from one map a scene.

The map holds the most visible views that any row may choose; each is cut and encoded once. A row
then chooses among them, combines them and labels the masks, which costs almost nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable
from om3d_core.encoders.base import Encoder
from om3d_core.errors import SettingsError
from om3d_core.evaluation.assign import AssignSettings, Candidates, assign_labels
from om3d_core.evaluation.benchmark import count_instances
from om3d_core.evaluation.ground_truth import transfer_masks
from om3d_core.evaluation.paper.records import SceneRecord
from om3d_core.evaluation.paper.rows import Row
from om3d_core.mapping.feed import feed
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.views import Cameras, ViewSettings, choose_among
from om3d_core.progress import Job
from om3d_core.query.aggregation import similarity_matrix, without_outliers
from om3d_core.sources.base import Source
from om3d_core.sources.datasets.label_sets import LabelSet

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LabeledScene:
    """A recorded scene with ground truth.

    points: (P, 3) meters that gt_ids (P,) belongs to, or None if those are the source's cloud.
    """

    name: str
    source: Source
    gt_ids: npt.NDArray[np.int64]
    points: npt.NDArray[np.floating] | None = None


@dataclass(frozen=True, eq=False)
class MappedScene:
    """A map with the poses of the frames that it was made from.

    stamps: (F,) ascending. poses: (F, 4, 4) map_from_camera.
    """

    scene: Scene
    stamps: npt.NDArray[np.int64]
    poses: npt.NDArray[np.float64]


class RowLabeler:
    """Labels the masks of maps by a table's rows; the texts are encoded once."""

    def __init__(
        self,
        rows: Sequence[Row],
        encoders: Sequence[Encoder],
        labels: LabelSet,
        views: ViewSettings,
        n_views: int,
        prompt: str,
        assign: AssignSettings | None = None,
    ):
        self._rows = [row for row in rows if len(encoders) > row.second_encoder]
        self._labels, self._views, self._n_views = labels, views, n_views
        self._assign = assign or AssignSettings()
        if "{}" not in prompt:
            raise SettingsError(f"expected a prompt with {{}} for the label, got {prompt!r}")
        texts = [prompt.replace("{}", name) for name in labels.names]
        used = encoders[: 1 + any(row.second_encoder for row in self._rows)]
        self._spaces = [_text_space(encoder) for encoder in used]
        self._texts = [
            encoder.encode_texts(texts)[space]
            for encoder, space in zip(used, self._spaces, strict=True)
        ]

    @property
    def rows(self) -> list[Row]:
        """The rows that the encoders suffice for."""
        return self._rows

    def label(self, mapped: MappedScene) -> dict[str, Candidates]:
        """The labels of every mask of the map, by the name of the row."""
        return {row.name: self._label(mapped, row) for row in self._rows}

    def _label(self, mapped: MappedScene, row: Row) -> Candidates:
        space = self._spaces[int(row.second_encoder)]
        table = next(t for t in mapped.scene.features if t.space.name == space)
        chosen = choose_among(
            mapped.scene.views,
            mapped.stamps,
            Cameras(
                mapped.poses[:, :3, :3],
                mapped.poses[:, :3, 3],
                mapped.scene.centroids,
            ),
            row.views(self._views, self._n_views),
        )
        used = _take(table, chosen)
        if row.remove_outliers:
            used = without_outliers(used)
        texts = self._texts[int(row.second_encoder)]
        values = similarity_matrix(used, texts, row.aggregation)
        return assign_labels(values, self._labels, self._assign)


def map_scene(source: Source, mapper: Mapper, job: Job) -> MappedScene:
    """Feed a source to a cleared mapper and refresh."""
    mapper.clear()
    for done in feed(source, mapper):
        job.step("read", done, len(source))
    scene = mapper.refresh(job)
    stamps, poses = mapper.keyframe_poses()
    return MappedScene(scene, stamps, poses)


def record_scene(
    labeled: LabeledScene, mapper: Mapper, labeler: RowLabeler, fingerprint: str, job: Job
) -> SceneRecord:
    """Map a scene, label its masks by every row and count them against the ground truth.

    Structure (floor, walls, ceiling) that the proposer names is left out, as nothing that could
    be labeled right.
    """
    mapped = map_scene(labeled.source, mapper, job)
    objects = np.flatnonzero(~mapped.scene.masks.structure)
    masks = mapped.scene.masks.select(objects)
    if labeled.points is not None:
        masks = transfer_masks(mapped.scene.cloud, masks, labeled.points)
    rows = {
        name: Candidates(found.ids[objects], found.probabilities[objects])
        for name, found in labeler.label(mapped).items()
    }
    counts = count_instances(masks, labeled.gt_ids)
    return SceneRecord(labeled.name, fingerprint, counts, rows)


def fingerprint_of(parts: Iterable[object]) -> str:
    """A short name of everything that a record depends on."""
    text = json.dumps([repr(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _take(table: FeatureTable, columns: npt.NDArray[np.int64]) -> FeatureTable:
    """The views at ``columns`` (N, k), which may repeat; none at -1."""
    rows, at = np.arange(len(columns))[:, None], np.maximum(columns, 0)
    valid = (columns >= 0) & table.valid[rows, at]
    zero = np.float32(0)
    return replace(
        table,
        vectors=np.where(valid[:, :, None], table.vectors[rows, at], zero),
        valid=valid,
        lengths=np.where(valid, table.lengths[rows, at], zero),
    )


def _text_space(encoder: Encoder) -> str:
    names = [space.name for space in encoder.spaces if space.text]
    if not names:
        raise SettingsError("expected encoders that encode text, got one for images alone")
    return names[0]

"""Ground truth of labeled scenes, and the way of a map's masks onto its points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import InputError, SourceError, expect
from om3d_core.files import read_json
from om3d_core.formats.npz import read_npz

POINTS_FILE = "ground_truth.npz"
SCENE_FILE = "scene.json"
TRANSFER_TOLERANCE_M = 0.03


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Labeled points of a scene, in the map frame.

    points: (P, 3) float32 meters. masks: the instances over them, structure flagged.
    void: (P,) bool, points of no listed instance. ids: (N,) instance id and classes: (N,) class
    name of each mask.
    """

    points: npt.NDArray[np.float32]
    masks: InstanceMasks
    void: npt.NDArray[np.bool_]
    ids: npt.NDArray[np.int64]
    classes: tuple[str, ...]


def read_ground_truth(folder: Path) -> GroundTruth:
    """Read ``ground_truth.npz`` (points, instance) and ``scene.json`` (instances) of a folder.

    Raises :class:`SourceError` for a missing or damaged file.
    """
    for name in (SCENE_FILE, POINTS_FILE):
        if not (folder / name).is_file():
            raise SourceError(
                f"{folder}: expected ground truth, as om3d synth writes it, found no {name}"
            )
    instances = _read_instances(folder / SCENE_FILE)
    points, instance = _read_points(folder / POINTS_FILE)
    ids = np.array([entry["id"] for entry in instances], np.int64)
    order = np.argsort(instance, kind="stable")
    low = np.searchsorted(instance, ids, side="left", sorter=order)
    high = np.searchsorted(instance, ids, side="right", sorter=order)
    masks = InstanceMasks.from_lists(
        [order[a:b] for a, b in zip(low, high, strict=True)],
        len(points),
        structure=[entry["structure"] for entry in instances],
    )
    return GroundTruth(
        points, masks, ~np.isin(instance, ids), ids, tuple(entry["class"] for entry in instances)
    )


def transfer_masks(
    cloud: Cloud,
    masks: InstanceMasks,
    points: npt.NDArray[np.floating],
    tolerance_m: float = TRANSFER_TOLERANCE_M,
) -> InstanceMasks:
    """The masks of a cloud over other points (Q, 3): each takes those of its nearest cloud point.

    A point with no cloud point within ``tolerance_m`` gets none. A mask may end up empty; the
    number and the order of the masks stay.
    """
    expect(masks.n_points == len(cloud), f"masks over {len(cloud)} points", masks.n_points)
    expect(points.ndim == 2 and points.shape[1] == 3, "points (Q, 3)", points.shape)
    near, nearest = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if len(cloud) and len(points):
        tree = cKDTree(cloud.points)
        distance, found = tree.query(points, distance_upper_bound=tolerance_m)
        near = np.flatnonzero(np.isfinite(distance))
        nearest = found[near]
    columns = sparse.csr_matrix(masks.to_csr().tocsc()[:, nearest])
    columns.sort_indices()
    return InstanceMasks(
        columns.indptr.astype(np.int64),
        near[columns.indices].astype(np.int32),
        masks.scores,
        masks.structure,
        len(points),
    )


def _read_instances(path: Path) -> list[dict[str, Any]]:
    try:
        entries = read_json(path)["instances"]
        result = [
            {"id": entry["id"], "class": entry["class"], "structure": entry["structure"]}
            for entry in entries
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path}: expected id, class, structure a piece: {error!r}") from error
    kinds = [("id", int), ("class", str), ("structure", bool)]
    if any(type(entry[key]) is not kind for entry in result for key, kind in kinds):
        raise SourceError(f"{path}: expected an integer id, a text class and a boolean structure")
    if any(abs(entry["id"]) >= 1 << 63 for entry in result):
        raise SourceError(f"{path}: expected ids of 64 bits")
    if len({entry["id"] for entry in result}) != len(result):
        raise SourceError(f"{path}: expected unique instance ids")
    return result


def _read_points(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    try:
        arrays = read_npz(path, ("points", "instance"))
        points, instance = arrays["points"], arrays["instance"]
    except (OSError, InputError, KeyError) as error:
        raise SourceError(f"{path}: cannot read points and instance: {error}") from error
    if (
        points.ndim != 2
        or points.shape[1:] != (3,)
        or instance.shape != points.shape[:1]
        or not np.issubdtype(points.dtype, np.floating)
        or not np.issubdtype(instance.dtype, np.integer)
        or not np.isfinite(points).all()
    ):
        raise SourceError(
            f"{path}: expected finite points (P, 3) and integer instance (P,), got "
            f"{points.dtype} {points.shape} and {instance.dtype} {instance.shape}"
        )
    return points.astype(np.float32), instance.astype(np.int64)

"""What is kept of an evaluated scene: counts and labels that any table can be made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.errors import MapFormatError
from om3d_core.evaluation.assign import Candidates
from om3d_core.evaluation.benchmark import InstanceCounts
from om3d_core.files import read_json, write_atomically

VERSION = 1
MAX_RECORD_BYTES = 1 << 28
MAX_PAIRS = 1 << 24


@dataclass(frozen=True, eq=False)
class SceneRecord:
    """One scene: its masks against the ground truth, and the labels that each row gives them.

    fingerprint: of all that the result depends on but the scene.
    """

    scene: str
    fingerprint: str
    counts: InstanceCounts
    rows: Mapping[str, Candidates]


def write_record(path: Path, record: SceneRecord) -> None:
    """Write a record whole or not at all."""
    c = record.counts
    content = {
        "version": VERSION,
        "scene": record.scene,
        "fingerprint": record.fingerprint,
        "scores": c.scores.astype(float).tolist(),
        "pred_sizes": c.pred_sizes.tolist(),
        "instance_ids": c.instance_ids.tolist(),
        "gt_sizes": c.gt_sizes.tolist(),
        "shared": [[int(i), int(j), int(c.shared[i, j])] for i, j in np.argwhere(c.shared)],
        "rows": {
            name: {"ids": row.ids.tolist(), "probabilities": row.probabilities.tolist()}
            for name, row in record.rows.items()
        },
    }
    write_atomically(path, json.dumps(content).encode())


def read_record(path: Path) -> SceneRecord:
    """Read a record. Raises MapFormatError for a missing or damaged one, or another version."""
    try:
        content = read_json(path, MAX_RECORD_BYTES)
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, not {VERSION}")
        return _parse(content)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError,
            OverflowError) as error:  # fmt: skip
        raise MapFormatError(f"{path}: expected a scene record, got {error!r}") from error


def _parse(content: dict[str, Any]) -> SceneRecord:
    scores = np.array(content["scores"], np.float64)
    gt_sizes = np.array(content["gt_sizes"], np.int64)
    if len(scores) * len(gt_sizes) > MAX_PAIRS:
        raise ValueError(f"{len(scores)} masks of {len(gt_sizes)} instances")
    shared = np.zeros((len(scores), len(gt_sizes)), np.int64)
    for i, j, n in content["shared"]:
        shared[i, j] = n
    counts = InstanceCounts(
        scores,
        np.array(content["pred_sizes"], np.int64),
        np.array(content["instance_ids"], np.int64),
        gt_sizes,
        shared,
    )
    rows = {}
    for name, row in content["rows"].items():
        ids = np.array(row["ids"], np.int64)
        ids = ids if ids.ndim == 2 else ids.reshape(0, 0)
        rows[name] = Candidates(ids, np.array(row["probabilities"], np.float64).reshape(ids.shape))
        if len(ids) != len(scores):
            raise ValueError(f"row {name} of {len(ids)} masks, not {len(scores)}")
    return SceneRecord(str(content["scene"]), str(content["fingerprint"]), counts, rows)

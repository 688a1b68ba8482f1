"""Synthetic rooms as labeled scenes of the closed-vocabulary evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from om3d_core.errors import SourceError
from om3d_core.evaluation.ground_truth import read_ground_truth
from om3d_core.evaluation.paper.tables import LabeledScene
from om3d_core.progress import Report, silent
from om3d_core.sources.datasets.label_sets import LabelSet, label_set_of
from om3d_core.sources.folder import FolderSource
from om3d_core.synthetic import SynthSettings, synthesize

PREFIX = "synth-"


def synthetic_labels() -> LabelSet:
    """Every class that a room may hold, seen or not; structure is not among them."""
    from om3d_core.synthetic.assets import Catalog

    return label_set_of(sorted(Catalog().classes))


def open_synthetic(root: Path, scene: str, report: Report = silent) -> LabeledScene:
    """The room ``synth-SEED`` below ``root``, rendered there first if it is not.

    Points of instances that the room does not list have no label.
    """
    seed = scene.removeprefix(PREFIX)
    if not (scene.startswith(PREFIX) and seed.isascii() and seed.isdigit()):
        raise SourceError(f"expected a room such as {PREFIX}1, got {scene!r}")
    folder = root / scene
    if not folder.exists():
        synthesize(folder, SynthSettings(seed=int(seed)), report)
    truth, labels = read_ground_truth(folder), synthetic_labels()
    gt_ids = np.zeros(len(truth.points), np.int64)
    counts: dict[int, int] = {}
    for i, name in enumerate(truth.classes):
        label = labels.id_of.get(name)
        if truth.masks.structure[i] or label is None:
            continue
        counts[label] = counts.get(label, 0) + 1
        gt_ids[truth.masks[i]] = label * 1000 + counts[label]
    return LabeledScene(scene, FolderSource(folder), gt_ids, truth.points)

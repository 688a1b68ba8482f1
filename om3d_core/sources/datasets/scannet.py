"""Scenes of ScanNet with the ground truth of ScanNet200, in the official layout.

``ROOT/scans/ID/`` (or ``ROOT/ID/``) holds ``ID.sens`` or what SensReader exports from it (color,
depth, pose, intrinsic; also below data and data_compressed, as OpenMask3D keeps them), the mesh
``ID_vh_clean_2.ply`` and its annotation ``ID_vh_clean_2.0.010000.segs.json`` and
``ID.aggregation.json``; ``ROOT/scannetv2-labels.combined.tsv`` maps raw labels to ids.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.errors import SourceError
from om3d_core.files import read_regular
from om3d_core.formats.segments import (
    SCANNET_MESH,
    SEGMENTS_SUFFIX,
    ground_truth_ids,
    read_groups,
    read_mesh,
)
from om3d_core.settings import Settings, setting
from om3d_core.sources.datasets.base import DatasetScene, Origin
from om3d_core.sources.datasets.label_sets import load_label_set
from om3d_core.sources.folder import FolderSettings, FolderSource
from om3d_core.sources.layouts.own import FOLDERS, INTRINSICS_FILES

EXPORTED = {**FOLDERS, "intrinsics": ("intrinsic/intrinsic_color.txt", *INTRINSICS_FILES)}
LABELS_FILE = "scannetv2-labels.combined.tsv"
MAX_LABELS_BYTES = 16 * 1024 * 1024
ORIGIN = Origin(
    "ScanNet",
    "http://www.scan-net.org (download-scannet.py, sent after signing)",
    "ScanNet Terms of Use, non-commercial research and education only",
)


@dataclass(frozen=True)
class ScanNetSettings(Settings):
    """How a scan is read."""

    step: int = setting(10, "use every step-th frame, from 0", low=1)
    intrinsics_scaling: str = setting(
        "per_axis",
        "how intrinsics follow the image size: each axis its own side, or swapped as OpenMask3D",
        choices=("per_axis", "openmask3d"),
    )


class ScanNetScene(DatasetScene):
    """One scan, such as scene0011_00. Frames have the size of the depth images, 640x480."""

    def __init__(self, root: Path, scene: str, settings: ScanNetSettings | None = None):
        self._settings = settings or ScanNetSettings()
        folder = root / "scans" / scene
        folder = folder if folder.is_dir() else root / scene
        self._labels = root / LABELS_FILE
        self._mesh = folder / f"{scene}{SCANNET_MESH}"
        self._segments = self._mesh.with_suffix(SEGMENTS_SUFFIX)
        self._groups = folder / f"{scene}.aggregation.json"
        sens = folder / f"{scene}.sens"
        exported = any((folder / name).is_dir() for name in FOLDERS["color"])
        stream = (
            {f"exported {kind}": _first(folder, names) for kind, names in EXPORTED.items()}
            if exported
            else {"RGB-D stream": sens}
        )
        needed = {
            "labels of the annotators": self._labels,
            "mesh": self._mesh,
            "segments of the mesh": self._segments,
            "instances": self._groups,
        }
        ORIGIN.require(scene, {**needed, **stream})
        s = self._settings
        read = FolderSettings(step=s.step, intrinsics_scaling=s.intrinsics_scaling)
        super().__init__(FolderSource(folder if exported else sens, read))

    def cloud(self) -> Cloud:
        """The vertices of the cleaned and decimated mesh, with their segments."""
        return self._cloud

    def ground_truth(self) -> npt.NDArray[np.int64]:
        """(P,) ScanNet200 ground truth; what has no class of the 200 is 0."""
        known = set(load_label_set("scannet200").ids.tolist())
        label_ids = {raw: i for raw, i in read_label_ids(self._labels).items() if i in known}
        return ground_truth_ids(self._cloud, read_groups(self._groups), label_ids)

    @cached_property
    def _cloud(self) -> Cloud:
        return read_mesh(self._mesh, self._segments)


def _first(folder: Path, names: Sequence[str]) -> Path:
    """The first of the files that is there, else the one that should be."""
    paths = [folder / name for name in names]
    return next((path for path in paths if path.exists()), paths[0])


def read_label_ids(path: Path) -> dict[str, int]:
    """The ScanNet id of each raw category of the label table. Raises SourceError."""
    try:
        text = read_regular(path, MAX_LABELS_BYTES).decode("utf-8")
        ids: dict[str, int] = {}
        rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
        for row in rows:
            ids.setdefault(row["raw_category"], int(row["id"]))
        return ids
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise SourceError(f"{path}: expected columns id and raw_category: {error!r}") from error

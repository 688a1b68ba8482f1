"""Scenes of ScanNet with the ground truth of ScanNet200, in the official layout.

``ROOT/scans/ID/`` (or ``ROOT/ID/``) holds ``ID.sens`` or what SensReader exports from it (color,
depth, pose, intrinsic; also below data and data_compressed, as OpenMask3D keeps them), the mesh
``ID_vh_clean_2.ply`` and its annotation ``ID_vh_clean_2.0.010000.segs.json`` and
``ID.aggregation.json``; ``ROOT/scannetv2-labels.combined.tsv`` maps raw labels to ids.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.cloud import Cloud
from om3d_core.errors import SourceError
from om3d_core.evaluation.label_sets import load_label_set
from om3d_core.frame import Frame
from om3d_core.ply import read_ply
from om3d_core.settings import Settings, setting
from om3d_core.sources.base import SkipCount
from om3d_core.sources.dataset import Origin
from om3d_core.sources.folder import FOLDERS, FolderSettings, FolderSource
from om3d_core.sources.segments import (
    check_length,
    ground_truth_ids,
    read_groups,
    read_segments,
)
from om3d_core.sources.sens import SensFile

LABELS_FILE = "scannetv2-labels.combined.tsv"
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


class ScanNetScene:
    """One scan, such as scene0011_00. Frames have the size of the depth images, 640x480."""

    def __init__(self, root: Path, scene: str, settings: ScanNetSettings | None = None):
        self._settings = settings or ScanNetSettings()
        folder = root / "scans" / scene
        folder = folder if folder.is_dir() else root / scene
        self._labels = root / LABELS_FILE
        self._mesh = folder / f"{scene}_vh_clean_2.ply"
        self._segments = folder / f"{scene}_vh_clean_2.0.010000.segs.json"
        self._groups = folder / f"{scene}.aggregation.json"
        sens = folder / f"{scene}.sens"
        exported = any((folder / name).is_dir() for name in FOLDERS["color"])
        needed = {
            "labels of the annotators": self._labels,
            "mesh": self._mesh,
            "segments of the mesh": self._segments,
            "instances": self._groups,
        }
        ORIGIN.require(scene, needed if exported else {**needed, "RGB-D stream": sens})
        self._source = self._open_folder(folder) if exported else self._open_sens(sens)

    @property
    def skipped(self) -> SkipCount:
        """Frames that could not be used."""
        return self._source.skipped

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._source)

    def cloud(self) -> Cloud:
        """The vertices of the cleaned and decimated mesh."""
        return read_ply(self._mesh)

    def ground_truth(self) -> npt.NDArray[np.int64]:
        """(P,) ScanNet200 ground truth; what has no class of the 200 is 0."""
        known = set(load_label_set("scannet200").ids.tolist())
        label_ids = {raw: i for raw, i in read_label_ids(self._labels).items() if i in known}
        vertex_segments = read_segments(self._segments)
        ids = ground_truth_ids(vertex_segments, read_groups(self._groups), label_ids)
        check_length(self._segments, ids, len(self.cloud()))
        return ids

    def _open_folder(self, folder: Path) -> FolderSource:
        s = self._settings
        return FolderSource(
            folder, FolderSettings(step=s.step, intrinsics_scaling=s.intrinsics_scaling)
        )

    def _open_sens(self, path: Path) -> SensFile:
        faithful = self._settings.intrinsics_scaling == "openmask3d"
        return SensFile(path, self._settings.step, faithful_intrinsics=faithful)


def read_label_ids(path: Path) -> dict[str, int]:
    """The ScanNet id of each raw category of the label table. Raises SourceError."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return {row["raw_category"]: int(row["id"]) for row in reversed(rows)}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise SourceError(f"{path}: expected columns id and raw_category: {error!r}") from error

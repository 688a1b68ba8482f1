"""Scenes of Replica: the frames that NICE-SLAM renders, and the annotated mesh of Replica v1.

``ROOT/cam_params.json`` and ``ROOT/office0/`` (``results/frameNNNNNN.jpg``,
``results/depthNNNNNN.png`` and ``traj.txt``) come from NICE-SLAM's archive;
``ROOT/office_0/habitat/`` (``mesh_semantic.ply`` and ``info_semantic.json``) from Replica itself.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Intrinsics
from om3d_core.data.poses import NS_PER_S
from om3d_core.errors import SourceError, reason_of
from om3d_core.files import read_regular
from om3d_core.formats.ply import read_ply
from om3d_core.formats.ply_faces import read_face_property
from om3d_core.formats.segments import MOST_OF_A_LABEL, read_json
from om3d_core.settings import Settings, setting
from om3d_core.sources.datasets.base import DatasetScene, Origin
from om3d_core.sources.datasets.label_sets import load_label_set
from om3d_core.sources.layouts.replica import annotated_mesh
from om3d_core.sources.rgbd_files import RgbdFile, RgbdFiles

RATE_HZ = 30.0
MAX_TRAJECTORY_BYTES = 16 * 1024 * 1024
ORIGIN = Origin(
    "Replica",
    "https://github.com/facebookresearch/Replica-Dataset (download.sh) and, for the frames, "
    "https://github.com/cvg/nice-slam (scripts/download_replica.sh)",
    "Replica Dataset Research Terms, non-commercial research only",
)


@dataclass(frozen=True)
class ReplicaSettings(Settings):
    """How a scene is read."""

    step: int = setting(10, "use every step-th frame, from 0", low=1)


class ReplicaScene(DatasetScene):
    """One scene, such as office0 or room2."""

    def __init__(self, root: Path, scene: str, settings: ReplicaSettings | None = None):
        self._settings = settings or ReplicaSettings()
        frames = root / scene
        self._mesh = annotated_mesh(root, scene)
        self._info = self._mesh.with_name("info_semantic.json")
        camera, trajectory = root / "cam_params.json", frames / "traj.txt"
        needed = {
            "camera": camera,
            "trajectory": trajectory,
            "rendered frames": frames / "results",
            "annotated mesh": self._mesh,
            "classes of its objects": self._info,
        }
        ORIGIN.require(scene, needed)
        intrinsics, units_per_m = _read_camera(camera)
        files = [
            RgbdFile(
                frames / "results" / f"frame{number:06d}.jpg",
                frames / "results" / f"depth{number:06d}.png",
                pose,
                intrinsics,
                round(number * NS_PER_S / RATE_HZ),
            )
            for number, pose in enumerate(_read_trajectory(trajectory))
            if number % self._settings.step == 0
        ]
        super().__init__(RgbdFiles(files, units_per_m))

    def cloud(self) -> Cloud:
        """The vertices of the annotated mesh."""
        return self._cloud

    def ground_truth(self) -> npt.NDArray[np.int64]:
        """(P,) ground truth by object; a vertex is of the last face that it is a corner of."""
        faces = read_face_property(self._mesh, "object_id")
        n_points = len(self._cloud)
        if faces.corners.max(initial=-1) >= n_points or faces.corners.min(initial=0) < 0:
            raise SourceError(f"{self._mesh}: expected corners among {n_points} vertices")
        owner = np.full(n_points, -1, np.int64)
        owner[faces.corners] = faces.values
        ids = np.zeros(n_points, np.int64)
        counts: dict[int, int] = {}
        for object_id, label in _read_objects(self._info):
            counts[label] = counts.get(label, 0) + 1
            if counts[label] > MOST_OF_A_LABEL:
                raise SourceError(f"{self._info}: expected at most {MOST_OF_A_LABEL} of a class")
            ids[owner == object_id] = label * 1000 + counts[label]
        return ids

    @cached_property
    def _cloud(self) -> Cloud:
        return read_ply(self._mesh)


def _read_camera(path: Path) -> tuple[Intrinsics, float]:
    content = read_json(path)
    try:
        c = content["camera"]
        fx, fy, cx, cy = (float(c[name]) for name in ("fx", "fy", "cx", "cy"))
        intrinsics = Intrinsics(fx, fy, cx, cy, int(c["w"]), int(c["h"]))
        scale = float(c["scale"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SourceError(f"{path}: expected w, h, fx, fy, cx, cy, scale: {error!r}") from error
    if not 0 < scale < 1e6:
        raise SourceError(f"{path}: expected a positive depth scale, got {scale}")
    return intrinsics, scale


def _read_trajectory(path: Path) -> npt.NDArray[np.float64]:
    """(F, 4, 4) camera-to-world, one a line."""
    try:
        content = read_regular(path, MAX_TRAJECTORY_BYTES)
        rows = np.loadtxt(io.BytesIO(content), np.float64, ndmin=2)
        return rows.reshape(-1, 4, 4)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path}: expected 16 numbers a line, got {reason_of(error)}"
        ) from error


def _read_objects(path: Path) -> list[tuple[int, int]]:
    """The id and the class of every object whose class is known."""
    known = set(load_label_set("replica").ids.tolist())
    content = read_json(path)
    try:
        objects = [(int(entry["id"]), int(entry["class_id"])) for entry in content["objects"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SourceError(f"{path}: expected objects with id and class_id: {error!r}") from error
    return [(number, label) for number, label in objects if label > 0 and label in known]

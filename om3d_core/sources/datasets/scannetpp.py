"""Scenes of ScanNet++: the iPhone stream and the annotated mesh, in the official layout.

``ROOT/data/ID/`` (or ``ROOT/ID/``) holds ``iphone/rgb/frame_NNNNNN.jpg``,
``iphone/depth/frame_NNNNNN.png`` (extracted with the toolbox of the data set, millimeters),
``iphone/pose_intrinsic_imu.json``, ``scans/mesh_aligned_0.05.ply``, ``scans/segments.json`` and
``scans/segments_anno.json``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.formats.segments import (
    SCANNETPP_MESH,
    SCANNETPP_SEGMENTS,
    ground_truth_ids,
    read_groups,
    read_mesh,
)
from om3d_core.settings import Settings, setting
from om3d_core.sources.datasets.base import DatasetScene, Origin
from om3d_core.sources.datasets.label_sets import load_label_set
from om3d_core.sources.layouts.base import MILLIMETERS
from om3d_core.sources.layouts.scannetpp import CAMERAS, COLOR, DEPTH, read_phone
from om3d_core.sources.rgbd_files import RgbdFile, RgbdFiles

ORIGIN = Origin(
    "ScanNet++",
    "https://kaldir.vc.in.tum.de/scannetpp (after applying; rgb and depth are extracted by "
    "iphone/prepare_iphone_data.py of github.com/scannetpp/scannetpp)",
    "ScanNet++ Terms of Use, non-commercial research only",
)


@dataclass(frozen=True)
class ScanNetPPSettings(Settings):
    """How a scene is read; the defaults are those of the OpenMask3D++ paper but for one."""

    step: int = setting(15, "use every step-th frame, from 0", low=1)
    width: int = setting(480, "width of the frames in pixels", low=16, high=8192)
    height: int = setting(360, "height of the frames in pixels", low=12, high=8192)
    point_step: int = setting(3, "use every point_step-th vertex of the mesh", low=1)
    first_intrinsics: bool = setting(
        False, "take the intrinsics of the first frame for all, as OpenMask3D++ does, though the"
        " focus moves; else each frame has its own",
    )
    intrinsics_scaling: str = setting(
        "per_axis",
        "how intrinsics follow the image size: each axis its own side, or swapped as OpenMask3D",
        choices=("per_axis", "openmask3d"),
    )


class ScanNetPPScene(DatasetScene):
    """One scene, such as 7b6477cb95. Missing images are skipped, not shifted."""

    def __init__(self, root: Path, scene: str, settings: ScanNetPPSettings | None = None):
        self._settings = settings or ScanNetPPSettings()
        folder = root / "data" / scene
        folder = folder if folder.is_dir() else root / scene
        self._folder, poses = folder, folder / CAMERAS
        self._mesh = folder / "scans" / SCANNETPP_MESH
        self._segments = folder / "scans" / SCANNETPP_SEGMENTS
        self._groups = folder / "scans" / "segments_anno.json"
        needed = {
            "poses and intrinsics": poses,
            "extracted color": folder / COLOR,
            "extracted depth": folder / DEPTH,
            "mesh": self._mesh,
            "segments of the mesh": self._segments,
            "instances": self._groups,
        }
        ORIGIN.require(scene, needed)
        super().__init__(RgbdFiles(self._listed(poses), MILLIMETERS))

    def cloud(self) -> Cloud:
        """Every ``point_step``-th vertex of the mesh, with its segment."""
        return self._whole.select(slice(None, None, self._settings.point_step))

    def ground_truth(self) -> npt.NDArray[np.int64]:
        """(P,) ground truth of the 1,659 classes; a vertex of two instances is the smaller's."""
        label_ids = load_label_set("scannetpp").id_of
        ids = ground_truth_ids(self._whole, read_groups(self._groups), label_ids)
        return ids[:: self._settings.point_step]

    @cached_property
    def _whole(self) -> Cloud:
        return read_mesh(self._mesh, self._segments)

    def _listed(self, path: Path) -> list[RgbdFile]:
        size = self._settings.width, self._settings.height
        phone = read_phone(path)
        files = []
        for one in phone:
            if one.number % self._settings.step:
                continue
            given = (phone[0] if self._settings.first_intrinsics else one).intrinsics
            faithful = self._settings.intrinsics_scaling == "openmask3d"
            resize = given.openmask3d_resized if faithful else given.resized
            files.append(RgbdFile(
                self._folder / COLOR / f"{one.name}.jpg",
                self._folder / DEPTH / f"{one.name}.png",
                one.map_from_camera, resize(*size), one.stamp_ns,
            ))  # fmt: skip
        return files

"""Replica as NICE-SLAM renders it: results/, traj.txt and cam_params.json."""

from __future__ import annotations

import re
from pathlib import Path

from om3d_core.errors import SourceError
from om3d_core.formats import color_files, depth_files
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Conventions, FrameFiles, Listing
from om3d_core.sources.layouts.names import keyed, stamps_of
from om3d_core.sources.layouts.own import camera_in, matched
from om3d_core.sources.layouts.tables import by_order, poses_in
from om3d_core.streams.settings import RecordedStreamSettings

UNITS_PER_M = 6553.5
POSES, FOLDER = "traj.txt", "results"


class ReplicaLayout:
    """``results/frameNNNNNN.jpg``, ``results/depthNNNNNN.png``, ``traj.txt``, ``cam_params.json``
    here or in the folder above, which tells the unit of depth. The cloud is the mesh of Replica
    (``../office_0/habitat/mesh_semantic.ply``) or of NICE-SLAM (``../office0_mesh.ply``)."""

    files = (
        "Replica of NICE-SLAM: results/frameN.jpg, results/depthN.png, traj.txt, and"
        " cam_params.json here or above, and perhaps the mesh beside this folder"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there are results and a trajectory."""
        return (path / FOLDER).is_dir() and (path / POSES).is_file()

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        folder = path / FOLDER
        colors = keyed(folder, color_files.SUFFIXES, prefix="frame")
        depths = keyed(folder, depth_files.SUFFIXES, prefix="depth")
        if not colors or not depths:
            raise SourceError(f"{folder}: expected frameN.jpg and depthN.png, found "
                              f"{len(colors)} and {len(depths)}")  # fmt: skip
        depths = matched(path, colors, depths, streams)
        file = path / POSES
        poses = by_order(file, poses_in(file), list(colors))
        stamps = stamps_of(colors, settings.rate_hz)
        camera, camera_file = camera_in(path, settings)
        frames = tuple(
            FrameFiles(color, depths.get(key), pose, stamps[key])
            for (key, color), pose in zip(colors.items(), poses, strict=True)
        )
        told = camera.depth_units_per_m if camera else 0.0
        units = Conventions(depth_units_per_m=told or UNITS_PER_M)
        return Listing(frames, camera, units, camera_file=camera_file, cloud=_mesh(path.resolve()))


def annotated_mesh(root: Path, scene: str) -> Path:
    """Where Replica itself has the annotated mesh of a scene such as office0."""
    official = re.sub(r"(?<=[a-z])(?=\d+$)", "_", scene)
    return root / official / "habitat" / "mesh_semantic.ply"


def _mesh(path: Path) -> Path | None:
    """The annotated mesh beside the frames, or that of NICE-SLAM's archive, if there is one."""
    root, scene = path.parent, path.name
    files = annotated_mesh(root, scene), root / f"{scene}_mesh.ply"
    return next((file for file in files if file.is_file()), None)

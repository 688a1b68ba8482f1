"""How recordings in folders are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, SettingsError
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.text_matrix import numbers_in
from om3d_core.settings import Settings, setting
from om3d_core.sources.conventions import AXES, DEPTHS, FLIPS, POSES, QUATERNIONS, TURNS
from om3d_core.sources.layouts import REGISTRY

AUTO = "auto"


@dataclass(frozen=True)
class FolderSettings(Settings):
    """How a recording in a folder is read; ``auto`` and 0 are what its layout says."""

    layout: str = setting(
        AUTO, "which layout to read where a folder has the files of several; auto: the one whose"
        " files it has", choices=(AUTO, *REGISTRY),
    )
    step: int = setting(1, "use every step-th frame", low=1)
    rate_hz: float = setting(
        30.0, "frames per second, for the stamps, where names and scene.json tell none",
        low=1e-3, high=1e4,
    )
    intrinsics: str = setting(
        "", "fx fy cx cy in pixels, instead of those of the recording"
    )
    intrinsics_width: int = setting(
        0, "image width in pixels that the intrinsics are for; 0: that of the color images", low=0
    )
    intrinsics_height: int = setting(
        0, "image height in pixels that the intrinsics are for; 0: that of the color images", low=0
    )
    intrinsics_scaling: str = setting(
        "per_axis",
        "how intrinsics follow the image size: each axis with its own side, with the sides"
        " swapped as in OpenMask3D, up to 2 px off for ScanNet, or normalized: they are in shares"
        " of the sides, whatever the size",
        choices=("per_axis", "openmask3d", "normalized"),
    )
    pose: str = setting(
        AUTO, "what poses are: map_from_camera, or its inverse", choices=(AUTO, *POSES)
    )
    camera_axes: str = setting(
        AUTO, "axes of the camera in the poses. optical: x right, y down, z forward; opengl:"
        " x right, y up, z backward (Blender, ARKit); ros: x forward, y left, z up",
        choices=(AUTO, *AXES),
    )
    quaternions: str = setting(
        QUATERNIONS[0], "order of the quaternions of poses", choices=QUATERNIONS
    )
    images_turned: str = setting(
        "none", "how images were turned after they were taken, the poses staying those of the"
        " camera, as apps of phones do", choices=TURNS,
    )
    pose_units_per_m: float = setting(
        1.0, "units per meter of the poses (1: meters, 1000: millimeters)", low=1e-3, high=1e6
    )
    origin: str = setting(
        "", "x,y,z in meters that are taken off every position, for poses of a world whose origin"
        " is far off (UTM), and off the reconstruction, unless that is near the origin already",
    )
    depth_along: str = setting(
        AUTO, "depth is measured along the optical axis, or along the ray of the pixel (Isaac:"
        " distance_to_camera, Hypersim)", choices=(AUTO, *DEPTHS),
    )
    depth_flipped: str = setting(
        "none", "how depth images are mirrored against color and poses", choices=FLIPS,
    )
    depth_units_per_m: float = setting(
        0.0, "units per meter of depth images; 0: as the layout says, else depth.units_per_m of"
        " integers and depth.float_units_per_m of others", low=0.0, high=1e6,
    )
    cloud_file: str = setting(
        "", "reconstruction to use (.ply, .pcd, .npz, .obj, .stl); empty: that of the data set,"
        " scene.ply or the only .ply, else the same of .pcd; none: the frames are fused",
    )
    cloud_sampling_m: float = setting(
        0.0, "points so far apart (m) on the faces of the reconstruction, a mesh, instead of its"
        " vertices; 0: its vertices", low=0.0, high=1.0,
    )
    cloud_units_per_m: float = setting(
        1.0, "units per meter of the reconstruction (1: meters, 1000: millimeters)", low=1e-3,
        high=1e6,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _numbers("intrinsics", self.intrinsics, 4)
        _numbers("origin", self.origin, 3)

    @property
    def given_camera(self) -> Camera | None:
        """The camera of ``intrinsics``, None where that is empty."""
        numbers = _numbers("intrinsics", self.intrinsics, 4)
        return Camera.of(*numbers.tolist()) if len(numbers) else None

    @property
    def origin_m(self) -> npt.NDArray[np.float64]:
        """(3,) what is taken off positions."""
        numbers = _numbers("origin", self.origin, 3)
        return numbers if len(numbers) else np.zeros(3)


def _numbers(name: str, text: str, count: int) -> npt.NDArray[np.float64]:
    """The numbers of a setting: ``count``, or none. Raises SettingsError."""
    try:
        numbers = numbers_in(text)
    except InputError as error:
        raise SettingsError(f"{name}: {error}") from error
    if len(numbers) not in (0, count) or not np.isfinite(numbers).all():
        raise SettingsError(f"{name}: expected {count} numbers, got {text!r:.80}")
    if name == "intrinsics" and len(numbers) and min(numbers[:2]) <= 0:
        raise SettingsError(f"{name}: expected positive fx and fy, got {text!r:.80}")
    return numbers

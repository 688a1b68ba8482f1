"""7-Scenes and BundleFusion: frame-N.color, .depth and .pose beside each other."""

from __future__ import annotations

from pathlib import Path

from om3d_core.errors import InputError, SourceError, reason_of
from om3d_core.files import read_regular
from om3d_core.formats import color_files, depth_files
from om3d_core.formats.camera_files import Camera, matrix_of
from om3d_core.formats.text_matrix import MAX_TEXT_BYTES, numbers_in
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Conventions, FrameFiles, Listing
from om3d_core.sources.layouts.names import keyed, stamps_of
from om3d_core.sources.layouts.own import INTRINSICS_FILES, camera_in
from om3d_core.streams.settings import RecordedStreamSettings

INFO = "info.txt"
PUBLISHED = Camera.of(585.0, 585.0, 320.0, 240.0, width=640, height=480)
"""The Kinect's of 7-Scenes (its page), whose files are not shipped with it."""
ENDINGS = [
    (f"{mark}{color}", f"{mark}depth", f"{mark}pose")
    for mark in (".", "_", "-") for color in ("color", "rgb")
]  # fmt: skip
KINDS = color_files.SUFFIXES, depth_files.SUFFIXES, (".txt",)


class SevenScenesLayout:
    """``frame-N.color.png``, ``frame-N.depth.png``, ``frame-N.pose.txt``, also with ``_`` or ``-``
    for the last dot, or ``rgb``."""

    files = (
        "7-Scenes and BundleFusion: frame-N.color.png (or .jpg), frame-N.depth.png,"
        " frame-N.pose.txt (or N_color, N_depth, N_pose); camera-intrinsics.txt here or above, or"
        " BundleFusion's info.txt"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there are poses and color of such names."""
        return path.is_dir() and _endings(path) is not None

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        endings = _endings(path) or ENDINGS[0]
        colors, depths, poses = (
            keyed(path, suffixes, ending)
            for suffixes, ending in zip(KINDS, endings, strict=True)
        )
        if not colors or not depths or not poses:
            raise SourceError(f"{path}: expected N{endings[0]}.png, N{endings[1]}.png and "
                              f"N{endings[2]}.txt, found {len(colors)}, {len(depths)} and "
                              f"{len(poses)}")  # fmt: skip
        keys = sorted({*colors, *depths, *poses})
        stamps = stamps_of(keys, settings.rate_hz)
        camera, file, units = _camera(path, settings)
        frames = tuple(
            FrameFiles(colors.get(key), depths.get(key), poses.get(key), stamps[key])
            for key in keys
        )
        return Listing(frames, camera, Conventions(depth_units_per_m=units), camera_file=file)


def _endings(path: Path) -> tuple[str, str, str] | None:
    """Those of the names in a folder, None where there are no poses or no color of any."""
    for endings in ENDINGS:
        color, _, pose = endings
        if next(path.glob(f"*{pose}.txt"), None) and next(path.glob(f"*{color}.*"), None):
            return endings
    return None


def _camera(path: Path, settings: FolderSettings) -> tuple[Camera | None, Path | None, float]:
    """The camera, its file, and units of depth per meter."""
    info = path / INFO
    if info.is_file() and not settings.intrinsics:
        camera = _read_info(info)
        return camera, info, camera.depth_units_per_m
    if settings.intrinsics or any((path / name).is_file() for name in INTRINSICS_FILES):
        camera_given, file = camera_in(path, settings)
        return camera_given, file, 0.0
    return PUBLISHED, None, 0.0


def _read_info(path: Path) -> Camera:
    """The color camera of BundleFusion's ``name = value`` lines."""
    try:
        text = read_regular(path, MAX_TEXT_BYTES).decode("utf-8", "replace")
        values = {name.strip(): value.strip() for name, equals, value in
                  (line.partition("=") for line in text.splitlines()) if equals}  # fmt: skip
        return Camera(
            matrix_of(numbers_in(values["m_calibrationColorIntrinsic"])),
            int(values["m_colorWidth"]), int(values["m_colorHeight"]),
            depth_units_per_m=float(values.get("m_depthShift", 0.0)),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, InputError) as error:
        raise SourceError(f"{path}: expected m_colorWidth, m_colorHeight and "
                          f"m_calibrationColorIntrinsic, got {reason_of(error)}") from error

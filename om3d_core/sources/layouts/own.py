"""Color, depth and poses in a folder each, of any names: that of OpenMask3D and ScanNet, too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from om3d_core.errors import InputError, SourceError
from om3d_core.files import read_json
from om3d_core.formats import color_files, depth_files
from om3d_core.formats.camera_files import Camera, read_camera
from om3d_core.formats.text_matrix import MAX_TEXT_BYTES
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import FrameFiles, Listing, NoCameraError
from om3d_core.sources.layouts.names import Key, are_stamps, keyed, nearest, stamps_of
from om3d_core.streams.settings import RecordedStreamSettings

FOLDERS = {
    "color": ("color", "colors", "rgb", "images", "image", "data_compressed/color", "data/color"),
    "depth": ("depth", "depths", "data_compressed/depth", "data/depth"),
    "pose": ("pose", "poses", "cam2world", "extrinsics", "data/pose"),
}
"""Where each kind may lie, in letters of any case; the first that exists is read. OpenMask3D lays
ScanNet200 out in ``data``."""
SUFFIXES = {
    "color": color_files.SUFFIXES, "depth": depth_files.SUFFIXES, "pose": (".txt", ".csv", ".npy"),
}  # fmt: skip
INTRINSICS_FILES = (
    "intrinsics.txt",
    "intrinsic.txt",
    "intrinsic/intrinsic_color.txt",
    "intrinsic/intrinsic_depth.txt",
    "data/intrinsic/intrinsic_color.txt",
    "data/intrinsic/intrinsic_depth.txt",
    "camera_intrinsic.json",
    "camera_intrinsics.json",
    "intrinsics.json",
    "camera.json",
    "camera-intrinsics.txt",
    "camera_intrinsics.txt",
    "K.txt",
    "camera_matrix.csv",
    "intrinsics.npy",
    "camera_info.yaml",
    "camera.yaml",
    "cam_params.json",
    "../camera-intrinsics.txt",
    "../cam_params.json",
)
VIDEOS = ".mp4", ".mov", ".mkv", ".avi", ".webm"
INTRINSICS_FOLDER = "intrinsics"


class OwnLayout:
    """``color/N.jpg``, ``depth/N.png``, ``pose/N.txt`` and ``intrinsics.txt``."""

    files = (
        "color/ (or rgb/, images/), depth/ and pose/ (or poses/) with a file a frame, and"
        " intrinsics.txt or .json; ScanNet's export and OpenMask3D's folders, too"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there are folders of color and of poses."""
        return folder_of(path, "color") is not None and folder_of(path, "pose") is not None

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        colors, depths = images_of(path)
        poses = keyed(folder_of(path, "pose") or path / "pose", SUFFIXES["pose"])
        if not poses:
            folder = folder_of(path, "pose")
            raise SourceError(
                f"{path}: no poses; expected pose/NAME.txt (or .csv, .npy) for color/NAME.jpg, or "
                "a poses.txt with a pose a line" + (f", found {_first(folder)}" if folder else "")
            )
        depths = matched(path, colors, depths, streams)
        poses = matched(path, colors, poses, streams)
        keys = sorted({*colors, *depths, *poses})
        stamps = stamps_of(keys, rate_hz(path, settings))
        cameras = _cameras(path, settings)
        frames = tuple(
            FrameFiles(colors.get(key), depths.get(key), poses.get(key), stamps[key],
                       *cameras.get(key, (None, "")))
            for key in keys
        )  # fmt: skip
        if cameras:
            return Listing(frames)
        camera, file = camera_in(path, settings)
        of = "depth" if file is not None and file.stem.endswith("_depth") else "color"
        return Listing(frames, camera, camera_of=of, camera_file=file)


def folder_of(path: Path, kind: str) -> Path | None:
    """The folder of a kind of :data:`FOLDERS`, None if there is none."""
    exact = next((path / name for name in FOLDERS[kind] if (path / name).is_dir()), None)
    if exact is not None or not path.is_dir():
        return exact
    try:
        with os.scandir(path) as entries:
            there = {entry.name.lower(): entry.name for entry in entries if entry.is_dir()}
    except OSError:
        return None
    return next((path / there[name] for name in FOLDERS[kind] if name in there), None)


def images_of(path: Path) -> tuple[dict[Key, Path], dict[Key, Path]]:
    """The color and the depth images of a recording. Raises SourceError if there are none."""
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        raise SourceError(f"{path}: expected a folder with a recording, found {found}")
    found_files = {}
    for kind in ("color", "depth"):
        folder = folder_of(path, kind)
        found_files[kind] = keyed(folder, SUFFIXES[kind]) if folder else {}
        if not found_files[kind]:
            where = " or ".join(f"{name}/" for name in FOLDERS[kind] if "/" not in name)
            raise SourceError(
                f"{path}: no images of {kind}; expected {', '.join(SUFFIXES[kind])} in {where}"
                + (f", found {_first(folder)}" if folder else _video(path))
            )
    return found_files["color"], found_files["depth"]


def matched(
    path: Path, colors: Mapping[Key, Path], others: Mapping[Key, Path],
    streams: RecordedStreamSettings,
) -> dict[Key, Path]:
    """Other files by the keys of the color images that they belong to.

    By name; names that are stamps and differ all belong to the nearest within ``sync.slop_s``.
    Raises SourceError where nothing belongs together.
    """
    if not colors.keys().isdisjoint(others):
        return dict(others)
    color, other = next(iter(colors.values())), next(iter(others.values()))
    expected = f"names that tell which belong together, such as {color.stem} twice"
    if are_stamps(colors) and are_stamps(others):
        by_stamp = {stamp: key for key, stamp in stamps_of(colors, 1.0).items()}
        files = {stamp: others[key] for key, stamp in stamps_of(others, 1.0).items()}
        near = nearest(by_stamp, files, streams.sync.slop_ns)
        if near:
            return {by_stamp[stamp]: file for stamp, file in near.items()}
        expected = f"stamps within {streams.sync.slop_s:g} s (--sync.slop_s)"
    raise SourceError(f"{path}: expected {expected}, got {color.relative_to(path)} and "
                      f"{other.relative_to(path)}")  # fmt: skip


def camera_in(path: Path, settings: FolderSettings) -> tuple[Camera | None, Path | None]:
    """The camera of the settings, or of the first file there is, and that file.

    Raises SourceError where there is none.
    """
    if settings.intrinsics:
        return settings.given_camera, None
    file = next((path / f for f in INTRINSICS_FILES if (path / f).is_file()), None)
    if file is None:
        shown = (INTRINSICS_FILES[0], "camera_intrinsic.json", "intrinsic/intrinsic_color.txt")
        raise NoCameraError(path, f"a matrix or fx fy cx cy in one of {', '.join(shown)}, ...")
    try:
        return read_camera(file), file
    except InputError as error:
        raise SourceError(f"{file}: {error}") from error


def rate_hz(path: Path, settings: FolderSettings) -> float:
    """Frames a second, of scene.json or the settings. Raises SourceError for a damaged file."""
    file = path / "scene.json"
    if not file.is_file():
        return settings.rate_hz
    try:
        scene = read_json(file, MAX_TEXT_BYTES)
        rate = scene.get("rate_hz", settings.rate_hz)
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise InputError(f"expected a number, got {rate!r}")
        if not 1e-3 <= rate <= 1e4:
            raise InputError(f"expected 0.001 .. 10000, got {rate!r}")
    except (OSError, ValueError, AttributeError) as error:
        raise SourceError(f"{file}: rate_hz not readable: {error}") from error
    return float(rate)


def _cameras(path: Path, settings: FolderSettings) -> dict[Key, tuple[Camera | None, str]]:
    """The camera of each frame or why there is none, where they have their own in a folder."""
    if settings.intrinsics:
        return {}
    cameras: dict[Key, tuple[Camera | None, str]] = {}
    for key, file in keyed(path / INTRINSICS_FOLDER, (".txt", ".json")).items():
        try:
            cameras[key] = read_camera(file), ""
        except InputError as error:
            cameras[key] = None, f"{file}: {error}"
    return cameras


def _video(path: Path) -> str:
    """What to do about a video, empty where there is none."""
    name = next((f.name for f in sorted(path.iterdir()) if f.suffix.lower() in VIDEOS), "")
    cure = f"take its frames out: ffmpeg -i {name} -start_number 0 rgb/%06d.png"
    return f", found {name}; {cure}" if name else ""


def _first(folder: Path) -> str:
    return next((f"{folder.name}/{entry.name}" for entry in sorted(folder.iterdir())), "nothing")

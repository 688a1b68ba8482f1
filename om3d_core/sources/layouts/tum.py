"""TUM RGB-D: images listed by stamp, and a ground truth of stamped poses."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

from om3d_core.data.poses import NS_PER_S
from om3d_core.errors import SourceError, reason_of
from om3d_core.files import read_regular
from om3d_core.formats import color_files, depth_files
from om3d_core.formats.camera_files import Camera
from om3d_core.formats.text_matrix import MAX_TABLE_BYTES
from om3d_core.sources.folder_settings import FolderSettings
from om3d_core.sources.layouts.base import Conventions, FrameFiles, Listing, NoCameraError
from om3d_core.sources.layouts.names import keyed, nearest, stamps_of
from om3d_core.sources.layouts.own import INTRINSICS_FILES, camera_in
from om3d_core.sources.layouts.tables import by_stamp, poses_in
from om3d_core.streams.settings import RecordedStreamSettings

UNITS_PER_M = 5000.0
POSES = "groundtruth.txt"
PUBLISHED = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
"""fx fy cx cy of the sequences' color cameras, 640 x 480 (the data set's file formats page)."""
SIZE = 640, 480


class TumLayout:
    """``rgb.txt``, ``depth.txt``, ``groundtruth.txt``, paired by stamp within ``sync.slop_s``."""

    files = "TUM RGB-D: rgb.txt (or rgb/STAMP.png), depth.txt (or depth/) and groundtruth.txt"

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is a ground truth, and color in rgb.txt or rgb/."""
        color = (path / "rgb.txt").is_file() or (path / "rgb").is_dir()
        return color and (path / POSES).is_file()

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        colors = _listed(path, "rgb", color_files.SUFFIXES)
        depths = _listed(path, "depth", depth_files.SUFFIXES)
        near = nearest(colors, depths, streams.sync.slop_ns)
        file = path / POSES
        table = poses_in(file)
        if table.stamps_ns is None:
            raise SourceError(f"{file}: expected 8 numbers a line: t tx ty tz qx qy qz qw")
        poses = by_stamp(table, list(colors), streams)
        camera, camera_file = _camera(path, settings)
        frames = tuple(
            FrameFiles(color, near.get(stamp), pose, stamp)
            for (stamp, color), pose in zip(colors.items(), poses, strict=True)
        )
        units = Conventions(depth_units_per_m=UNITS_PER_M)
        return Listing(frames, camera, units, camera_file=camera_file)


def _camera(path: Path, settings: FolderSettings) -> tuple[Camera | None, Path | None]:
    given = settings.intrinsics or any((path / name).is_file() for name in INTRINSICS_FILES)
    if given:
        return camera_in(path, settings)
    whole = str(path.resolve())
    for name, values in PUBLISHED.items():
        if name in whole:
            return Camera.of(*values, width=SIZE[0], height=SIZE[1]), None
    raise NoCameraError(
        path, "intrinsics.txt, or a path that names one of "
        f"{', '.join(PUBLISHED)}, whose intrinsics are published"
    )


def _listed(path: Path, kind: str, suffixes: tuple[str, ...]) -> dict[int, Path]:
    """The images of a list by stamp in ns, ascending; without a list, those of the folder."""
    file = path / f"{kind}.txt"
    if not file.is_file():
        found = keyed(path / kind, suffixes)
        if not found:
            raise SourceError(f"{path}: expected images listed in {file.name}, or in {kind}/")
        return {stamp: found[key] for key, stamp in stamps_of(found, 1.0).items()}
    images: dict[int, Path] = {}
    try:
        text = read_regular(file, MAX_TABLE_BYTES).decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.partition("#")[0].replace(",", " ").split()
            if not words:
                continue
            seconds = Decimal(words[0])
            if len(words) < 2 or not 0 <= seconds < 1 << 33:
                raise ValueError(f"line {number}: {line[:60]!r}")
            images.setdefault(int(seconds * NS_PER_S), path / words[1])
    except (OSError, ValueError, InvalidOperation) as error:
        raise SourceError(
            f"{file}: expected lines of a stamp in seconds and a file, got {reason_of(error)}"
        ) from error
    if not images:
        raise SourceError(f"{file}: expected lines of a stamp and a file, got none")
    return dict(sorted(images.items()))

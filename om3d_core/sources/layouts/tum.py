"""TUM RGB-D: images listed by stamp, and a ground truth of stamped poses."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from itertools import islice
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
POSES, ICL_POSES = "groundtruth.txt", ".gt.freiburg"
PAIRS = "associations.txt", "associate.txt", "association.txt"
PUBLISHED = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
"""fx fy cx cy of the sequences' color cameras, 640 x 480 (the data set's file formats page)."""
SIZE = 640, 480


class TumLayout:
    """``rgb.txt``, ``depth.txt``, ``groundtruth.txt``, paired by stamp within ``sync.slop_s``; or
    ``associations.txt``, which pairs them, and ICL-NUIM's poses ``NAME.gt.freiburg``."""

    files = (
        "TUM RGB-D: rgb.txt (or rgb/STAMP.png), depth.txt (or depth/), or associations.txt, and"
        " groundtruth.txt (or ICL-NUIM's .gt.freiburg)"
    )

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is a ground truth, and color in rgb.txt or rgb/."""
        color = (path / "rgb.txt").is_file() or (path / "rgb").is_dir()
        return color and _poses_file(path).is_file()

    def __call__(
        self, path: Path, settings: FolderSettings, streams: RecordedStreamSettings
    ) -> Listing:
        """What there is."""
        pairs = _pairs_file(path)
        if pairs is not None:
            colors, near = _associated(path, pairs)
        else:
            colors = _listed(path, "rgb", color_files.SUFFIXES)
            depths = _listed(path, "depth", depth_files.SUFFIXES)
            near = nearest(colors, depths, streams.sync.slop_ns)
        file = _poses_file(path)
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


def _poses_file(path: Path) -> Path:
    """The ground truth, of TUM or else the only one of ICL-NUIM."""
    other = list(islice(path.glob(f"*{ICL_POSES}"), 2))
    return other[0] if len(other) == 1 and not (path / POSES).is_file() else path / POSES


def _pairs_file(path: Path) -> Path | None:
    """The list of pairs, where color and depth have no list each."""
    if all((path / f"{kind}.txt").is_file() for kind in ("rgb", "depth")):
        return None
    return next((path / name for name in PAIRS if (path / name).is_file()), None)


def _associated(path: Path, file: Path) -> tuple[dict[int, Path], dict[int, Path]]:
    """Color by stamp, ascending, and the depth that belongs to it, of lines of a stamp and a file
    of each, in any order."""
    colors: dict[int, Path] = {}
    depths: dict[int, Path] = {}
    for words in _lines(file, 4):
        first, second = (words[0], words[1]), (words[2], words[3])
        color, depth = (second, first) if "depth" in words[1] else (first, second)
        stamp = _stamp_ns(file, color[0])
        colors.setdefault(stamp, path / color[1])
        depths.setdefault(stamp, path / depth[1])
    return dict(sorted(colors.items())), depths


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
    for words in _lines(file, 2):
        images.setdefault(_stamp_ns(file, words[0]), path / words[1])
    return dict(sorted(images.items()))


def _lines(file: Path, least: int) -> Iterator[list[str]]:
    """The words of each line but comments. Raises SourceError for fewer, and where there are
    none."""
    try:
        text = read_regular(file, MAX_TABLE_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise _no_list(file, reason_of(error)) from error
    empty = True
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if words:
            if len(words) < least:
                raise _no_list(file, f"line {number}: {line[:60]!r}")
            empty = False
            yield words
    if empty:
        raise _no_list(file, "none")


def _stamp_ns(file: Path, text: str) -> int:
    try:
        seconds = Decimal(text)
        if not 0 <= seconds < 1 << 33:
            raise InvalidOperation
    except InvalidOperation as error:
        raise _no_list(file, f"{text[:60]!r}") from error
    return int(seconds * NS_PER_S)


def _no_list(file: Path, found: str) -> SourceError:
    return SourceError(f"{file}: expected lines of a stamp in seconds and a file, got {found}")

"""What is said of recordings that are spoiled in one way each, and the table of it in the docs.

``python test/helpers/recording_errors.py`` writes the table into docs/recordings.md.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from helpers.layouts import WRITERS, N
from helpers.recorded_scene import HEIGHT, WIDTH, K, pose_of
from om3d_core.errors import SourceError
from om3d_core.sources.open import open_source

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recordings.md"
BEGIN, END = "<!-- errors: python test/helpers/recording_errors.py -->", "<!-- end -->"

Spoil = Callable[[Path], object]


def each(folder: str, change: Callable[[Path], object]) -> Spoil:
    """Every file of a folder changed."""
    return lambda path: [change(file) for file in sorted((path / folder).iterdir())]


def poses(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    """Every pose changed."""
    return lambda path: [np.savetxt(path / f"pose/{n}.txt", change(pose_of(n))) for n in range(N)]


def image(pixels: np.ndarray) -> Callable[[Path], object]:
    """Another image in a file's place."""
    return lambda file: cv2.imwrite(str(file), pixels)


def text(name: str, content: str) -> Spoil:
    """A file of text."""
    return lambda path: (path / name).write_text(content)


def moved(pose: np.ndarray) -> np.ndarray:
    """Into UTM."""
    pose = pose.copy()
    pose[:3, 3] += [500_123, 5_300_456, 512]
    return pose


def renamed(file: Path) -> object:
    return file.rename(file.with_name(f"{int(file.stem) + 500}{file.suffix}"))


def removed(file: Path) -> object:
    return file.unlink()


COLORED = np.dstack([np.full((HEIGHT, WIDTH), 900 * i, np.uint16) for i in range(1, 4)])
SPOILED: dict[str, tuple[str, Spoil]] = {
    "depth of 8 bits": ("own", each("depth", image(np.full((HEIGHT, WIDTH), 90, np.uint8)))),
    "depth drawn in colors": ("own", each("depth", image(COLORED))),
    "depth of another size in one file": (
        "own", lambda path: image(np.ones((HEIGHT, WIDTH + 2), np.uint16))(path / "depth/1.png"),
    ),
    "a truncated color image": (
        "own", lambda path: (path / "color/1.png").write_bytes(
            (path / "color/1.png").read_bytes()[:700]
        ),
    ),
    "one depth image missing": ("own", lambda path: (path / "depth/1.png").unlink()),
    "no depth at all": ("own", each("depth", removed)),
    "poses of -inf (ScanNet's lost frames)": ("own", poses(lambda p: np.full((4, 4), -np.inf))),
    "a mirrored pose": ("own", poses(lambda _: np.diag([1.0, 1, -1, 1]))),
    "a pose with a scale": ("own", poses(lambda _: np.diag([2.0, 2, 2, 1]))),
    "Euler angles in the place of a pose": ("own", poses(lambda p: p[:2, :3])),
    "poses in UTM": ("own", poses(moved)),
    "names that do not match": ("own", each("depth", renamed)),
    "no intrinsics": ("own", lambda path: (path / "intrinsics.txt").unlink()),
    "intrinsics of larger images": (
        "own", lambda path: np.savetxt(path / "intrinsics.txt", np.diag([9.0, 9, 1]) @ K),
    ),
    "intrinsics that are no numbers": ("own", text("intrinsics.txt", "fx: 500")),
    "a pose too few": ("pose_lines", lambda path: (path / "poses.txt").write_text(
        (path / "poses.txt").read_text().split("\n", 1)[1]
    )),
    "TUM without intrinsics": ("tum", lambda path: (path / "intrinsics.txt").unlink()),
    "TUM whose stamps do not meet": ("tum", lambda path: (path / "groundtruth.txt").write_text(
        "1.0 0 0 0 0 0 0 1\n2.0 0 0 0 0 0 0 1\n"
    )),
    "transforms.json without depth": ("nerfstudio", lambda path: (
        (path / "depth").rename(path / "d"), (path / "transforms.json").write_text(
            (path / "transforms.json").read_text().replace("depth_file_path", "d")
        )
    )),
    "two layouts in one folder": ("open3d", lambda path: WRITERS["nerfstudio"](path)),
    "two recordings in one folder": ("seven_scenes", lambda path: (
        (path / "seq-01").rename(path / "seq-02"), WRITERS["seven_scenes"](path)
    )),
}  # fmt: skip
"""How a recording of a layout is spoiled."""


def said(name: str, folder: Path) -> str:
    """What is said of the one that is spoiled so, as if it were in a folder ``scan``."""
    layout, spoil = SPOILED[name]
    path = WRITERS[layout](folder / "scan")
    spoil(path)
    try:
        source = open_source(path)
        list(source)
        lines = "; ".join(source.skipped.lines)
    except SourceError as error:
        lines = str(error)
    return lines.replace(f"{folder}/", "").replace("|", "/")


def table() -> str:
    """The rows of the table."""
    return "\n".join(rows())


def rows() -> Iterator[str]:
    yield "| what is wrong | what is said |"
    yield "| --- | --- |"
    for name in SPOILED:
        with tempfile.TemporaryDirectory() as folder:
            yield f"| {name} | `{said(name, Path(folder))}` |"


def in_docs() -> str:
    """The table as the page has it."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip()


if __name__ == "__main__":
    page = PAGE.read_text()
    PAGE.write_text(re.sub(f"(?<={re.escape(BEGIN)}\n).*(?={END})",
                           lambda _: table() + "\n", page, flags=re.DOTALL))

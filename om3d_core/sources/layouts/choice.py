"""Which layout a folder has."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from om3d_core.errors import SourceError
from om3d_core.sources.layouts import REGISTRY
from om3d_core.sources.layouts.base import Layout
from om3d_core.sources.layouts.own import FOLDERS, folder_of

AUTO = "auto"
MOST_CHILDREN, MOST_SHOWN = 200, 5


def find_layout(path: Path, wanted: str = AUTO) -> tuple[Path, str, Layout]:
    """The folder of the recording, ``path`` or the only one in it, and the layout by its name.

    wanted: a registered name, or :data:`AUTO`. Raises SourceError where there are several.
    """
    if wanted != AUTO:
        layout: Layout = REGISTRY.create(wanted)
        if layout.recognizes(path):
            return path, wanted, layout
        below = [child for child in _folders(path) if layout.recognizes(child)]
        return _only(path, below) if below else path, wanted, layout
    names = _names(path)
    if not names and not _partly(path):
        below = [child for child in _folders(path) if _names(child)]
        if below:
            path = _only(path, below)
            names = _names(path)
    if len(names) > 1:
        raise SourceError(
            f"{path}: holds the files of several layouts: {', '.join(names)}; say which is to be "
            f"read: {' or '.join(f'--folder.layout {name}' for name in names)}"
        )
    name = names[0] if names else "own"
    return path, name, REGISTRY.create(name)


def recognizes(path: Path) -> bool:
    """Whether there are files of a layout, or some of them, here or in a folder below."""
    if _names(path) or _partly(path):
        return True
    return any(_names(child) for child in _folders(path))


def _names(path: Path) -> list[str]:
    return [name for name in REGISTRY if REGISTRY.implementation(name).recognizes(path)]


def _partly(path: Path) -> bool:
    return any(folder_of(path, kind) is not None for kind in FOLDERS)


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    try:
        return sorted(islice((entry for entry in path.iterdir() if entry.is_dir()), MOST_CHILDREN))
    except OSError:
        return []


def _only(path: Path, below: list[Path]) -> Path:
    if len(below) == 1:
        return below[0]
    shown = ", ".join(child.name for child in below[:MOST_SHOWN])
    more = ", ..." if len(below) > MOST_SHOWN else ""
    raise SourceError(f"{path}: holds {len(below)} recordings; give one of {shown}{more}")

"""Opening a recorded scene of any registered format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from om3d_core.errors import SourceError
from om3d_core.sources import REGISTRY
from om3d_core.sources.base import Source, SourceType
from om3d_core.sources.layouts import REGISTRY as LAYOUTS
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

MAX_SHOWN = 5
ARCHIVES = ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"


def open_source(
    path: Path,
    settings: SourceSettings | None = None,
    streams: RecordedStreamSettings | None = None,
) -> Source:
    """The scene at ``path``, by the first registered source that recognizes it.

    settings: the groups of all sources, streams: what a recording shares with the live node; by
    default their defaults. Raises SourceError that names every layout for what none recognizes,
    and what the source raises.
    """
    path = Path(path)
    for name, kind in _kinds():
        if kind.recognizes(path):
            group_type = REGISTRY.settings_type(name)
            if group_type is None:
                return kind(path, streams=streams)
            group = group_type() if settings is None else settings[name]
            return kind(path, group, streams=streams)
    expected = ", or ".join(layouts())
    known = "; ".join(f"{name}: {files}" for name, files in folder_layouts().items())
    layouts_below = f". Layouts: {known}" if path.is_dir() else ""
    raise SourceError(f"{path}: expected {expected}; found {_found(path)}{layouts_below}")


def layouts() -> list[str]:
    """What each registered source reads, for people."""
    return [kind.layout for _, kind in _kinds()]


def folder_layouts() -> dict[str, str]:
    """The files of each registered layout of folders, by its name."""
    return {name: LAYOUTS.implementation(name).files for name in LAYOUTS}


def _kinds() -> Iterator[tuple[str, SourceType]]:
    for name in REGISTRY:
        kind: SourceType = REGISTRY.implementation(name)
        yield name, kind


def _found(path: Path) -> str:
    if not path.is_dir():
        if path.suffix.lower() in ARCHIVES:
            return "an archive: unpack it, and give the folder"
        return "another file" if path.exists() else "nothing"
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        return f"a folder that cannot be read: {error.strerror}"
    shown = ", ".join(names[:MAX_SHOWN]) + (", ..." if len(names) > MAX_SHOWN else "")
    return f"a folder with {shown}" if names else "an empty folder"

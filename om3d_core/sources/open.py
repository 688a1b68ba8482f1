"""Opening a recorded scene of any supported format."""

from __future__ import annotations

from pathlib import Path

from om3d_core.errors import SourceError
from om3d_core.sources.bag.reader import STORAGES
from om3d_core.sources.bag.source import RosbagSettings, RosbagSource
from om3d_core.sources.base import Source
from om3d_core.sources.folder import LAYOUT, FolderSettings, FolderSource
from om3d_core.streams.settings import RecordedStreamSettings


def open_source(
    path: Path,
    folder: FolderSettings | None = None,
    rosbag: RosbagSettings | None = None,
    streams: RecordedStreamSettings | None = None,
) -> Source:
    """A bag where ``path`` is one, else a scene folder. Raises SourceError for anything else."""
    path = Path(path)
    if path.is_dir():
        is_bag = (path / "metadata.yaml").exists()
        return (
            RosbagSource(path, rosbag, streams) if is_bag else FolderSource(path, folder, streams)
        )
    if path.suffix in STORAGES and path.exists():
        return RosbagSource(path, rosbag, streams)
    found = "another file" if path.exists() else "nothing"
    raise SourceError(
        f"{path}: expected a rosbag2 folder, a .mcap or .db3 file, or a scene folder ({LAYOUT}), "
        f"found {found}"
    )

"""What an exporter is, and how what it writes appears: whole, or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

from om3d_core.data.scene import Scene
from om3d_core.errors import ExportError
from om3d_core.files import naming


class Exporter(Protocol):
    """The class of a registered format; the constructor takes its settings if it has some."""

    suffix: str
    """How the name of the file ends; empty for a folder."""

    def write(self, scene: Scene, path: Path) -> None:
        """Write the file, or the folder, ``path``, which is not there yet.

        Raises :class:`ExportError` for a map that the format cannot hold.
        """


def export(scene: Scene, exporter: Exporter, out: Path) -> None:
    """Write ``out``, which appears only when it is whole.

    Raises :class:`ExportError` where ``out`` exists or its name does not end as the format's do,
    and what the exporter raises; OSError that names ``out`` where it cannot be written.
    """
    if out.exists() or out.is_symlink():
        raise ExportError(f"{out}: exists already, not overwritten")
    if exporter.suffix and out.suffix.lower() != exporter.suffix:
        raise ExportError(f"{out}: expected a name that ends in {exporter.suffix}")
    with naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".om3d-export-", dir=out.parent) as folder:
            whole = Path(folder) / out.name
            exporter.write(scene, whole)
            whole.rename(out)

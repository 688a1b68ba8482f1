"""What is known of scenes that were run before: ``result.json`` in the folder of each."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

from om3d_core import __version__
from om3d_core.batch.jobs import DONE, Outcome, SceneJob
from om3d_core.files import read_json, write_atomically

RESULT = "result.json"
_EXAMPLE = Outcome("", DONE)


def key_of(source: Path, arguments: Sequence[str]) -> str:
    """A digest of all that a result depends on: the source's files by name, size and time of
    change, the command line, and the version of om3d."""
    digest = hashlib.sha256(json.dumps([__version__, *arguments]).encode())
    for name, size, changed_ns in _files(source):
        digest.update(json.dumps([name, size, changed_ns]).encode())
    return digest.hexdigest()


def known(job: SceneJob, key: str, product: Path) -> Outcome | None:
    """The outcome of a job that was done with the same ``key`` and whose ``product`` is there."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        content = read_json(job.folder / RESULT)
        outcome = Outcome(**content["outcome"])
        right = all(
            isinstance(getattr(outcome, f.name), type(getattr(_EXAMPLE, f.name)))
            for f in fields(Outcome)
        )
        if right and content["key"] == key and outcome.state == DONE and product.exists():
            return outcome
    return None


def keep(job: SceneJob, key: str, outcome: Outcome) -> None:
    """Write the outcome of a job down. Raises OSError that names the file."""
    job.folder.mkdir(parents=True, exist_ok=True)
    content = {"key": key, "outcome": asdict(outcome)}
    write_atomically(job.folder / RESULT, json.dumps(content, indent=1).encode())


def _files(source: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of change of a file, or of all below a folder, in the order of names."""
    if not source.is_dir():
        with suppress(OSError):
            found = source.stat()
            yield source.name, found.st_size, found.st_mtime_ns
        return
    for folder, inner, names in os.walk(source):
        inner.sort()
        for name in sorted(names):
            path = Path(folder) / name
            with suppress(OSError):
                found = path.stat()
                yield str(path.relative_to(source)), found.st_size, found.st_mtime_ns

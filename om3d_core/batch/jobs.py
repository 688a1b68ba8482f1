"""What is to be done for a scene, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from om3d_core.errors import InputError

DONE, FAILED = "done", "failed"
LOG = "log.txt"


@dataclass(frozen=True)
class SceneJob:
    """A command of om3d for one scene.

    module: that of the command. arguments: its command line; it prints a summary as JSON, the
    last line of its output. folder: gets ``log.txt``, what the command says on stderr. cwd:
    where relative paths in ``arguments`` begin.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    folder: Path
    cwd: Path


@dataclass(frozen=True)
class Outcome:
    """What came of a scene. state: ``done`` or ``failed``, then ``error`` says why.

    seconds: from the start of its process to its end, of the last attempt; cpu_s: time of all
    its threads; peak_mb: the most memory that it held. Both are 0 where the process was killed.
    """

    name: str
    state: str
    attempts: int = 1
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)
    error: str = ""


class Runner(Protocol):
    """Where jobs are run."""

    def run(self, jobs: Sequence[SceneJob]) -> Generator[Outcome, None, None]:
        """The outcome of each job, in the order in which they end; none raises for a job.

        Once it is closed, jobs under way are ended and others not begun.
        """


def scene_names(paths: Sequence[Path]) -> list[str]:
    """A name for each scene: the last part of its path, and where several have the same, as many
    parts before it as tell them apart, joined by ``-``.

    Raises InputError where a scene is given twice.
    """
    parts = [path.absolute().parts[1:] for path in paths]
    for path, times in Counter(parts).items():
        if times > 1:
            raise InputError(f"expected different scenes, got {'/'.join(path)} {times} times")
    used = [1] * len(parts)
    while True:
        names = ["-".join(part[-n:]) for part, n in zip(parts, used, strict=True)]
        clashing = {name for name, times in Counter(names).items() if times > 1}
        longer = [
            min(n + (name in clashing), len(part))
            for name, n, part in zip(names, used, parts, strict=True)
        ]
        if longer == used:
            break
        used = longer
    if clashing:
        raise InputError(f"expected scenes with names of their own, got {', '.join(clashing)}")
    return names

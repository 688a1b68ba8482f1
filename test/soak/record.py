"""What was measured of two processes over time."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Held(NamedTuple):
    """What a process holds: memory in MB (resident), threads and file descriptors."""

    memory_mb: float
    threads: int
    descriptors: int


class Sample(NamedTuple):
    """Everything at a time in seconds from the start.

    held: by node. sent, used: frames so far. refresh_s: how long the last refresh took.
    revision: of the map.
    """

    at_s: float
    held: dict[str, Held]
    sent: int
    used: int
    refresh_s: float
    revision: int


class Answered(NamedTuple):
    """A question: when it was asked, how long the answer took, and its error or ""."""

    at_s: float
    latency_s: float
    error: str


@dataclass
class Record:
    """All samples and answers of a run."""

    samples: list[Sample] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)

    @property
    def nodes(self) -> list[str]:
        """The names of the processes."""
        return sorted(self.samples[0].held) if self.samples else []

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """(S,) times of the samples."""
        return np.array([sample.at_s for sample in self.samples], np.float64)

    @property
    def maps(self) -> npt.NDArray[np.int64]:
        """(S,) the number of the map: a refresh makes it, a clearing ends it."""
        return np.array([(sample.revision + 1) // 2 for sample in self.samples], np.int64)

    def held(self, node: str, what: str) -> npt.NDArray[np.float64]:
        """(S,) values of a field of :class:`Held`."""
        return np.array([getattr(s.held[node], what) for s in self.samples], np.float64)

    def as_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {
            "samples": [
                {**s._asdict(), "held": {k: h._asdict() for k, h in s.held.items()}}
                for s in self.samples
            ],
            "answers": [answer._asdict() for answer in self.answers],
        }


def held_by(pid: int) -> Held:
    """What a process holds now; raises OSError if it is gone."""
    process = Path(f"/proc/{pid}")
    lines = (process / "status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return Held(
        int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"]),
        len(os.listdir(process / "fd")),
    )

"""What the parts of live nodes have in common: rounds of inputs, and a look at the nodes after."""

from __future__ import annotations

import itertools
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fuzz.live import Came, Live
from fuzz.tally import GOOD, Tally

SHOWN = 300


class Case(NamedTuple):
    """An input. files: what it is made of, by name, for those who look into a failure."""

    kind: str
    files: dict[str, bytes]
    attempt: Callable[[], Came]


class LivePart(ABC):
    """Rounds of inputs to the nodes; what fails is kept in ``keep``, with the logs.

    The inputs of round ``r`` are drawn from the seed and ``r`` alone, whatever came of others.
    """

    name: str

    def __init__(self, live: Live, keep: Path):
        self.live, self._keep = live, keep

    @abstractmethod
    def draw(self, rng: random.Random, number: int) -> Sequence[Case]:
        """The inputs of a round."""

    @abstractmethod
    def settle(self) -> Came:
        """What a look at the nodes finds after a round."""

    def begin(self, number: int) -> None:
        """Get ready for a round; at least the nodes are."""
        _ = self.live.nodes

    def run(self, tally: Tally, seed: int, seconds: float, rounds: int | None = None) -> None:
        """Send inputs for ``seconds``, or so many rounds of them."""
        stop = time.monotonic() + seconds
        for number in itertools.count():
            if number == rounds or (rounds is None and time.monotonic() > stop):
                return
            self._round(tally, seed, number)

    def _round(self, tally: Tally, seed: int, number: int) -> None:
        sent: dict[str, bytes] = {}
        ready = self.live.attempt(lambda: self._begun(number))
        if ready.outcome not in GOOD:
            self._count(tally, f"{self.name} begin", ready, seed, number, sent)
            return
        rng = random.Random(f"{self.name} {seed} {number}")
        for at, case in enumerate(self.draw(rng, number)):
            sent |= {f"{at:03d}-{name}": data for name, data in case.files.items()}
            came = self.live.attempt(case.attempt)
            self._count(tally, f"{self.name} {case.kind}", came, seed, number, sent)
            if came.outcome not in GOOD:
                return
        after = self.live.attempt(self.settle)
        self._count(tally, f"{self.name} after", after, seed, number, sent)

    def _begun(self, number: int) -> Came:
        self.begin(number)
        return Came("ok")

    def _count(
        self, tally: Tally, kind: str, came: Came, seed: int, number: int, sent: dict[str, bytes]
    ) -> None:
        tally.add(kind, came.outcome, came.seconds, code=came.code)
        if came.outcome in GOOD:
            return
        kept = self._keep / f"{self.name}-{seed}-{number}"
        kept.mkdir(parents=True, exist_ok=True)
        for name, data in sent.items():
            (kept / name).write_bytes(data)
        for name, log in self.live.logs().items():
            (kept / f"{name}.log").write_text(log)
        (kept / "error.txt").write_text(f"{kind}: {came.outcome}: {came.error}\n")
        tally.show(f"{kept} ({kind}): {came.outcome}: {came.error:.{SHOWN}}")
        self.live.close()

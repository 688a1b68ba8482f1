"""The part of files: each kind in turn, one of its files changed, then read in a process."""

from __future__ import annotations

import itertools
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from fuzz.judge import judge
from fuzz.mutate import mutate
from fuzz.probe import Probe
from fuzz.seed import Seed
from fuzz.seeds import SEEDS
from fuzz.tally import GOOD, Tally


class FileFuzz:
    """Changed files of every kind, read by ``probe``; what fails is kept whole in ``keep``."""

    name = "files"

    def __init__(self, work: Path, keep: Path, probe: Probe, seeds: Sequence[Seed] = SEEDS):
        self._work, self._keep, self._probe, self._seeds = work, keep, probe, seeds

    def run(self, tally: Tally, seed: int, seconds: float, inputs: int | None = None) -> None:
        """Change and read files for ``seconds``, or until there were ``inputs`` of them.

        The same seed makes the same inputs in the same order.
        """
        rng = random.Random(seed)
        trees = [_Tree(seed, self._work / f"{i:02d}") for i, seed in enumerate(self._seeds)]
        for tree in trees:
            result = self._probe.ask(tree.seed.reader, tree.target)
            assert result.outcome == "ok", f"unchanged {tree.seed.kind}: {result}"
        stop = time.monotonic() + seconds
        for number, tree in enumerate(itertools.cycle(trees)):
            if number == inputs or (inputs is None and time.monotonic() > stop):
                return
            path, content = tree.change(rng)
            path.write_bytes(content)
            result = self._probe.ask(tree.seed.reader, tree.target, tree.names(path))
            outcome = judge(result)
            tally.add(tree.seed.kind, outcome, result.seconds, result.bytes)
            if outcome not in GOOD:
                kept = self._keep / f"{tree.seed.kind.replace(' ', '-')}-{seed}-{number}"
                shutil.copytree(tree.folder, kept, dirs_exist_ok=True)
                tally.show(
                    f"{kept} ({tree.seed.reader}, {path.relative_to(tree.folder)}): {outcome}:"
                    f" {result.seconds:.2f} s, {result.bytes / 1e6:.0f} MB: {result.error:.300}"
                )
            path.write_bytes(tree.files[path])


class _Tree:
    """A seed on disk."""

    def __init__(self, seed: Seed, folder: Path):
        folder.mkdir(parents=True)
        seed.write(folder)
        self.seed, self.folder, self.target = seed, folder, folder / seed.target
        self.files = {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    def change(self, rng: random.Random) -> tuple[Path, bytes]:
        """One of the files, and another content for it."""
        path, other = (rng.choice(list(self.files)) for _ in range(2))
        return path, mutate(rng, self.files[path], path.name, self.files[other])

    def names(self, path: Path) -> list[str]:
        """What an error may say to tell where it is: the file, or the folder that was given."""
        return [path.name, str(self.target)]

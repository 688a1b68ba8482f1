"""``make fuzz``: every part for its share of the time, then the figure; fails if anything did.

Parts: files (here). Messages to live nodes, service requests and parameters are parts of their
own: give one a class with ``name`` and ``run`` as :class:`fuzz.files.FileFuzz` and list it in
``parts``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Protocol

from fuzz.files import FileFuzz
from fuzz.probe import Probe
from fuzz.tally import Tally


class Part(Protocol):
    """A family of inputs."""

    name: str

    def run(self, tally: Tally, seed: int, seconds: float) -> None:
        """Try inputs for about so many seconds and count what comes of them."""


def parts(work: Path, keep: Path, probe: Probe) -> list[Part]:
    """All parts. work: an empty folder for them. keep: where they leave what failed."""
    return [FileFuzz(work / "files", keep, probe)]


def main() -> int:
    """Run the parts that were asked for; 1 if anything failed."""
    parser = argparse.ArgumentParser("fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="for all parts together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_out"), help="for what fails")
    parser.add_argument("--only", default="", help="one part by its name")
    args = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="om3d-fuzz-") as work, Probe() as probe:
        chosen = [p for p in parts(Path(work), args.keep, probe) if args.only in ("", p.name)]
        for part in chosen:
            part.run(tally, args.seed, args.seconds / len(chosen))
    print(tally.figure())
    print(f"{tally.total} inputs, {tally.failures} failures, seed {args.seed}")
    return int(tally.failures > 0)


if __name__ == "__main__":
    sys.exit(main())

"""``make fuzz``: every part for its share of the time, then the figure; fails if anything did.

The parts are listed in ``parts``: files, messages to live nodes, requests to them, their
parameters, and how they are started.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Protocol

from fuzz.files import FileFuzz
from fuzz.live import Live
from fuzz.messages import MessageFuzz
from fuzz.parameters import ParameterFuzz
from fuzz.probe import Probe
from fuzz.requests import RequestFuzz
from fuzz.starts import StartFuzz
from fuzz.tally import Tally
from om3d_ros.replay.processes import free_domain


class Part(Protocol):
    """A family of inputs."""

    name: str

    def run(self, tally: Tally, seed: int, seconds: float) -> None:
        """Try inputs for about so many seconds and count what comes of them."""


def parts(work: Path, keep: Path, probe: Probe, live: Live) -> list[Part]:
    """All parts. work: an empty folder for them. keep: where they leave what failed."""
    return [
        FileFuzz(work / "files", keep, probe),
        MessageFuzz(live, keep),
        RequestFuzz(live, keep),
        ParameterFuzz(live, keep),
        StartFuzz(work / "starts", keep, live.domain),
    ]


def main() -> int:
    """Run the parts that were asked for; 1 if anything failed."""
    parser = argparse.ArgumentParser("fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="for all parts together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_out"), help="for what fails")
    parser.add_argument("--only", default="", help="one part by its name")
    args = parser.parse_args()
    tally = Tally()
    with (
        tempfile.TemporaryDirectory(prefix="om3d-fuzz-") as folder, free_domain() as domain,
        Probe() as probe, closing(Live(Path(folder) / "live", domain)) as live,
    ):  # fmt: skip
        every = parts(Path(folder), args.keep, probe, live)
        chosen = [part for part in every if args.only in ("", part.name)]
        for part in chosen:
            part.run(tally, args.seed, args.seconds / len(chosen))
    print(tally.figure())
    print(f"{tally.total} inputs, {tally.failures} failures, seed {args.seed}")
    return int(tally.failures > 0)


if __name__ == "__main__":
    sys.exit(main())

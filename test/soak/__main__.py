"""``make soak``: the nodes at full speed for --seconds, then a plot, numbers and a verdict."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from helpers.plain_nodes import PlainNodes

from om3d_ros.replay.processes import free_domain
from soak.clip import Clip, default_scene
from soak.plot import plot
from soak.record import Record
from soak.run import Soak
from soak.verdict import verdict


def main() -> int:
    """Run until the time is over or Ctrl-C; 1 if anything grew."""
    parser = argparse.ArgumentParser("soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--scene", type=Path, help="a scene folder or bag (default: the kitchen"
                        " beside the repository, or a rendered room)")
    parser.add_argument("--out", type=Path, default=Path("soak_out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    clip = Clip(args.scene or default_scene(args.out))
    with (
        tempfile.TemporaryDirectory(prefix="om3d-soak-") as work, free_domain() as domain,
        PlainNodes(Path(work), domain) as nodes,
    ):  # fmt: skip
        soak = Soak(nodes, clip)
        try:
            soak.run(args.seconds)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
        finally:
            for name in nodes.logs:
                (args.out / f"{name}.log").write_text(nodes.log(name))
            good = conclude(soak.record, args.out)
    return int(not good)


def conclude(record: Record, out: Path) -> bool:
    """Write soak.json and soak.png, print the verdict, and say whether it is good."""
    checks = verdict(record)
    judged = [{**check._asdict(), "good": check.good} for check in checks]
    content = {"verdict": judged, **record.as_json()}
    (out / "soak.json").write_text(json.dumps(content, indent=1))
    plot(record, out / "soak.png")
    print("\n".join(map(str, checks)))
    return bool(checks) and all(check.good for check in checks)


if __name__ == "__main__":
    sys.exit(main())

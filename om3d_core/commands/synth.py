"""``om3d synth OUT --seed N``: render a furnished room with ground truth and queries."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from om3d_core.commands.console import add_setting_flags, progress_report, settings_from
from om3d_core.synthetic import SynthSettings, synthesize


def main(argv: Sequence[str]) -> int:
    """Render the scene; it appears whole or not at all."""
    parser = argparse.ArgumentParser("om3d synth", description=__doc__)
    parser.add_argument("out", type=Path, help="a new folder")
    add_setting_flags(parser, SynthSettings)
    args = parser.parse_args(argv)
    settings = settings_from(args, SynthSettings)
    with progress_report() as report:
        synthesize(args.out, settings, report)
    print(f"{args.out}: {settings.n_frames} frames, seed {settings.seed}")
    return 0

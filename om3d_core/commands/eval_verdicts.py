"""``om3d eval-verdicts MAP SCENE [MAP SCENE ...]``: is a probability how often an answer is right?

Maps of rooms of ``om3d synth`` are asked nouns and questions of several parts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import add_setting_flags, parse_with_preset, settings_from
from om3d_core.data.scene_store import load_scene
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.evaluation.room_questions import room_outcomes
from om3d_core.evaluation.verdicts import (
    COMPOSED,
    Outcome,
    calibration_error,
    fit_logistic,
    reliability,
)
from om3d_core.query.encoder import encoder_of
from om3d_core.query.settings import QuerySettings
from om3d_core.query.text_memory import TextMemory
from om3d_core.query.verdict import BIAS, SLOPE


def main(argv: Sequence[str]) -> int:
    """Ask every room and print how often the first matches are right, and how sure they are."""
    parser = _parser()
    args = parse_with_preset(parser, argv, "query")
    if len(args.folders) % 2:
        parser.error("expected pairs of a map and its scene")
    if args.plot is not None and not args.plot.parent.is_dir():
        parser.error(f"--plot: expected a folder that exists, got {args.plot.parent}")
    found: list[Outcome] = []
    settings, encoder_settings = (
        settings_from(args, QuerySettings), settings_from(args, EncoderSettings)
    )  # fmt: skip
    for map_folder, scene_folder in zip(args.folders[::2], args.folders[1::2], strict=True):
        scene = load_scene(map_folder)
        texts = TextMemory(encoder_of(scene, encoder_settings))
        found += room_outcomes(scene, scene_folder, texts, settings)
    bins = reliability(found)
    if args.plot is not None:
        from om3d_core.pictures import save_png
        from om3d_core.pictures.reliability import draw_reliability

        counted = [(b.count, b.probability, b.right) for b in bins]
        save_png(args.plot, draw_reliability(counted, calibration_error(bins)))
    if args.json:
        print(json.dumps({"calibration_error": calibration_error(bins),
                          "bins": [asdict(b) for b in bins],
                          "answers": [asdict(outcome) for outcome in found]}))  # fmt: skip
    else:
        _print(found)
    if args.fit:
        composed = [outcome for outcome in found if outcome.kind in COMPOSED]
        slope, bias = fit_logistic(
            np.array([outcome.probability for outcome in composed]),
            np.array([outcome.right for outcome in composed], bool),
        )
        print(f"SLOPE, BIAS = {slope * SLOPE:.2f}, {slope * BIAS + bias:.2f}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d eval-verdicts", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="MAP SCENE",
                        help="maps, each followed by the scene that it was made of")
    parser.add_argument("--plot", type=Path, help="write the reliability diagram (PNG)")
    parser.add_argument("--fit", action="store_true",
                        help="print the constants of om3d_core/query/verdict.py that fit best")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting_flags(parser, QuerySettings)
    add_setting_flags(parser, EncoderSettings)
    return parser


def _print(found: Sequence[Outcome]) -> None:
    table = Table()
    for column in ("question", "asked", "first match right", "some mask right", "probability",
                   "absent asked", "said to be absent"):
        table.add_column(column, justify="left" if column == "question" else "right")
    for kind in (*dict.fromkeys(outcome.kind for outcome in found), "all"):
        group = [outcome for outcome in found if kind in (outcome.kind, "all")]
        there = [outcome for outcome in group if not outcome.absent]
        gone = [outcome for outcome in group if outcome.absent]
        table.add_row(
            kind, str(len(there)), _mean([o.right for o in there]),
            _mean([o.attainable for o in there]), _mean([o.probability for o in there]),
            str(len(gone)), _mean([not o.present for o in gone]),
        )
    console = Console()
    console.print(table)
    console.print(f"expected calibration error {calibration_error(reliability(found)):.3f}")


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f}" if values else ""

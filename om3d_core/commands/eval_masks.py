"""``om3d eval-masks MAP GT`` or ``--views FOLDER``: class-agnostic mask quality."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import (
    add_setting_flags,
    parse_with_preset,
    progress_report,
    settings_from,
)
from om3d_core.data.scene_store import load_scene
from om3d_core.evaluation.ground_truth import read_ground_truth, transfer_masks
from om3d_core.evaluation.mask_quality import MaskQuality, evaluate_masks
from om3d_core.evaluation.single_view import evaluate_views
from om3d_core.mapping.build import create_proposer
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job


def main(argv: Sequence[str]) -> int:
    """Measure the masks of a map, or those proposed on single labeled views."""
    parser = _parser()
    args = parse_with_preset(parser, argv)
    whole = args.map is not None and args.ground_truth is not None
    if whole == (args.views is not None) or (args.map is not None and not whole):
        parser.error("expected MAP and GT, or --views FOLDER")
    if whole:
        quality = evaluate_map(args.map, args.ground_truth)
    else:
        settings = settings_from(args, MapSettings)
        proposer = create_proposer(settings)
        with progress_report() as report:
            quality = evaluate_views(
                args.views, proposer, Job(report), gravity=settings.gravity
            )
    _print(quality, args.json)
    return 0


def evaluate_map(folder: Path, ground_truth: Path) -> MaskQuality:
    """The quality of a saved map's masks, compared on the points of the ground truth."""
    scene = load_scene(folder)
    truth = read_ground_truth(ground_truth)
    pred = transfer_masks(scene.cloud, scene.masks, truth.points)
    return evaluate_masks(pred, truth.masks, truth.void)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d eval-masks", description=__doc__)
    parser.add_argument("map", type=Path, nargs="?", help="a map folder")
    parser.add_argument(
        "ground_truth", type=Path, nargs="?", metavar="GT", help="a scene folder of om3d synth"
    )
    parser.add_argument(
        "--views", type=Path, help="a folder of NAME.color.png, .depth.png and .label.png"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting_flags(parser, MapSettings)
    return parser


def _print(quality: MaskQuality, as_json: bool) -> None:
    values = quality.to_json()
    if as_json:
        print(json.dumps(values))
        return
    table = Table()
    for name in values:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in values.values()))
    Console().print(table)

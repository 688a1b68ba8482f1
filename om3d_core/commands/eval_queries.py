"""``om3d eval-queries MAP QUERIES.json``: how often a map answers known queries rightly."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import (
    add_setting_flags,
    parse_with_preset,
    plain,
    settings_from,
)
from om3d_core.data.scene_store import load_scene
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.evaluation.query_file import read_queries, truth_of
from om3d_core.evaluation.query_hits import QueryQuality, evaluate_queries
from om3d_core.query.encoder import encoder_of
from om3d_core.query.scene_query import QuerySettings, SceneQuery


def main(argv: Sequence[str]) -> int:
    """Ask every query of the file and print how many were answered rightly."""
    args = parse_with_preset(_parser(), argv, "query")
    queries = read_queries(args.queries)
    truth = truth_of(queries, args.ground_truth or args.queries.parent)
    scene = load_scene(args.map)
    settings = settings_from(args, QuerySettings)
    settings = replace(settings, top_k=max(settings.top_k, len(scene), 1))
    encoder = encoder_of(scene, settings_from(args, EncoderSettings))
    query = SceneQuery(scene, encoder, settings)
    quality = evaluate_queries(query.text, scene, queries, truth)
    if args.json:
        print(json.dumps(quality.to_json()))
    else:
        _print(quality)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d eval-queries", description=__doc__)
    parser.add_argument("map", type=Path, help="a map folder")
    parser.add_argument("queries", type=Path, help="a file of queries and their answers")
    parser.add_argument(
        "--ground-truth", type=Path, metavar="FOLDER",
        help="scene whose instances the queries name (default: the folder of the file)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting_flags(parser, QuerySettings)
    add_setting_flags(parser, EncoderSettings)
    return parser


def _print(quality: QueryQuality) -> None:
    table = Table()
    for column in ("query", "first match", "similarity", "present", "rank of a hit", "right"):
        table.add_column(column)
    for r in quality.results:
        rank = "absent" if r.absent else str(r.rank or "none")
        similarity = "" if r.similarity is None else f"{r.similarity:.3f}"
        table.add_row(
            plain(r.text), str(r.matched), similarity, _yes(r.present), rank, _yes(r.right)
        )
    console = Console()
    console.print(table)
    console.print(
        f"top-1 {_percent(quality.top(1))}, top-3 {_percent(quality.top(3))}, "
        f"top-5 {_percent(quality.top(5))}; absent things said to be absent: "
        f"{_percent(quality.absent)}"
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _percent(fraction: float | None) -> str:
    return "none asked" if fraction is None else f"{100 * fraction:.0f} %"

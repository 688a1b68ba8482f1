"""``om3d eval-queries MAP QUERIES.json [MAP QUERIES.json ...]``: how often maps answer rightly."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import (
    add_setting_flags,
    parse_with_preset,
    plain,
    settings_from,
)
from om3d_core.data.scene import Scene
from om3d_core.data.scene_store import load_scene
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import expect
from om3d_core.evaluation.query_file import read_queries, truth_of
from om3d_core.evaluation.query_hits import QueryQuality, evaluate_queries
from om3d_core.query.encoder import encoder_of
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import QuerySettings
from om3d_core.query.text_memory import TextMemory

PARTS = ("usual_sizes", "printed_text", "detections", "language")
"""Settings of a query that each add one kind of evidence."""


def main(argv: Sequence[str]) -> int:
    """Ask every query of each file and print how many were answered rightly."""
    parser = _parser()
    args = parse_with_preset(parser, argv, "query")
    if len(args.pairs) % 2:
        parser.error("expected a map and a file of queries, one or more times")
    pairs = list(zip(args.pairs[::2], args.pairs[1::2], strict=True))
    expect(args.ground_truth is None or len(pairs) == 1, "one map with --ground-truth", len(pairs))
    settings, encoders = settings_from(args, QuerySettings), settings_from(args, EncoderSettings)
    variants = {"as set": settings}
    if args.parts:
        variants = {"none of these": _with(settings, ())}
        variants |= {f"{name} only": _with(settings, {name}) for name in PARTS}
        variants |= {f"all but {name}": _with(settings, {*PARTS} - {name}) for name in PARTS}
        variants |= {"all": _with(settings, PARTS)}
    found: dict[str, list[QueryQuality]] = {name: [] for name in variants}
    for folder, file in pairs:
        scene = load_scene(folder)
        texts = TextMemory(encoder_of(scene, encoders))
        for name, variant in variants.items():
            found[name].append(_asked(scene, file, args.ground_truth, texts, variant))
    if args.json:
        told = {name: [q.to_json() for q in of_maps] for name, of_maps in found.items()}
        print(json.dumps(told if args.parts or len(pairs) > 1 else told["as set"][0]))
    elif args.parts or len(pairs) > 1:
        _print_maps(pairs, found)
    else:
        _print(found["as set"][0])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d eval-queries", description=__doc__)
    parser.add_argument(
        "pairs", type=Path, nargs="+", metavar="MAP QUERIES",
        help="a map folder, and a file of queries and their answers",
    )
    parser.add_argument(
        "--ground-truth", type=Path, metavar="FOLDER",
        help="scene whose instances the queries name (default: the folder of the file)",
    )
    parser.add_argument(
        "--parts", action="store_true",
        help=f"a row for each of {', '.join(PARTS)} alone, and for all but each",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting_flags(parser, QuerySettings)
    add_setting_flags(parser, EncoderSettings)
    return parser


def _with(settings: QuerySettings, parts: Collection[str]) -> QuerySettings:
    changes: dict[str, Any] = {name: name in parts for name in PARTS}
    return replace(settings, **changes)


def _asked(
    scene: Scene, file: Path, ground_truth: Path | None, texts: TextMemory, settings: QuerySettings
) -> QueryQuality:
    queries = read_queries(file)
    truth = truth_of(queries, ground_truth or file.parent)
    settings = replace(settings, top_k=max(settings.top_k, len(scene), 1))
    return evaluate_queries(SceneQuery(scene, texts, settings).text, scene, queries, truth)


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


def _print_maps(
    pairs: Sequence[tuple[Path, Path]], found: dict[str, list[QueryQuality]]
) -> None:
    """top-1 / top-3 / top-5 / absent of each map, and their mean over maps."""
    table = Table(caption="top-1 / top-3 / top-5 / absent things said to be absent")
    table.add_column("")
    for folder, _ in pairs:
        table.add_column(plain(folder.name))
    table.add_column("mean")
    for name, of_maps in found.items():
        rows = [[q.top(1), q.top(3), q.top(5), q.absent] for q in of_maps]
        values = np.array(rows, np.float64)
        known = np.isfinite(values)
        sums, counts = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
        mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        cells = (" / ".join("-" if np.isnan(v) else f"{v:.2f}" for v in row)
                 for row in (*values, mean))
        table.add_row(name, *cells)
    Console().print(table)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _percent(fraction: float | None) -> str:
    return "none asked" if fraction is None else f"{100 * fraction:.0f} %"

"""``om3d query MAP "text"``, ``--image FILE`` or both: ask a saved map where something is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import (
    add_setting_flags,
    parse_with_preset,
    plain,
    settings_from,
)
from om3d_core.data.scene_store import load_scene
from om3d_core.data.text import MAX_NAME
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.formats.picture_files import read_image
from om3d_core.query.answer import Answer, told
from om3d_core.query.encoder import encoder_of
from om3d_core.query.relations import Viewpoint
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import QuerySettings


def main(argv: Sequence[str]) -> int:
    """Print the best matches; exit status 0 also when the thing is said to be absent."""
    parser = _parser()
    args = parse_with_preset(parser, argv, "query")
    if args.text is None and args.image is None:
        parser.error("expected a text, --image FILE or both")
    if args.picture is not None and not args.picture.parent.is_dir():
        parser.error(f"--picture: expected a folder that exists, got {args.picture.parent}")
    scene = load_scene(args.map)
    encoder = encoder_of(
        scene, settings_from(args, EncoderSettings), image=args.image is not None
    )
    query = SceneQuery(scene, encoder, settings_from(args, QuerySettings))
    viewpoint = Viewpoint(np.array(args.viewpoint)) if args.viewpoint else None
    if args.image is not None:
        answer = query.image(read_image(args.image), None, args.text or "", viewpoint)
        if not args.text:
            answer = replace(answer, query=args.image.name)
    else:
        answer = query.text(args.text, viewpoint=viewpoint)
    if args.picture is not None:
        from om3d_core.pictures import render_answer, save_png

        save_png(args.picture, render_answer(scene, answer))
    if args.json:
        print(json.dumps(answer.to_json()))
    else:
        _print_table(answer)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d query", description=__doc__)
    parser.add_argument("map", type=Path, help="a map folder")
    parser.add_argument("text", nargs="?", help='what to find, such as "a white mug"')
    parser.add_argument("--image", type=Path, help="find what this picture shows")
    parser.add_argument(
        "--viewpoint", type=float, nargs=3, metavar=("X", "Y", "Z"),
        help="where one stands, in meters in the map frame, for left, right and nearest; by"
        " default in the middle of the map",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--picture", type=Path, help="write a picture of the answer (PNG)")
    add_setting_flags(parser, QuerySettings)
    add_setting_flags(parser, EncoderSettings)
    return parser


def _print_table(answer: Answer) -> None:
    title = plain(f"{answer.query}: {told(answer)}")
    table = Table(title=title, box=SIMPLE_HEAD, collapse_padding=True)
    for column in ("rank", "id", "name"):
        table.add_column(column, justify="left" if column == "name" else "right")
    for column in ("similarity", "probability", "center (m)", "size (m)"):
        table.add_column(column, justify="right")
    explained = any(match.explanation for match in answer.matches)
    if explained:
        table.add_column("why")
    for m in answer.matches:
        table.add_row(
            str(m.rank), str(m.instance_id), plain(m.label[:MAX_NAME]), f"{m.similarity:.3f}",
            f"{m.probability:.2f}", _vector(m.box.center), _vector(m.box.size),
            *([plain(m.explanation)] if explained else []),
        )
    console = Console()
    console.print(table)
    if explained or answer.not_understood:
        console.print(plain(f"read as: {answer.read_as}"))
    if answer.not_understood:
        console.print(plain(f"not understood: {', '.join(answer.not_understood)}"))
    if answer.clarification:
        console.print(plain(answer.clarification))


def _vector(values: Any) -> str:
    return " ".join(f"{v:.2f}" for v in values)



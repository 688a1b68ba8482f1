"""``om3d export MAP --format FORMAT -o OUT``: write a map for other tools."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from om3d_core.commands.console import add_out_flag, add_setting_flags, plain, settings_from
from om3d_core.data.scene_store import load_scene
from om3d_core.export import REGISTRY
from om3d_core.export.base import Exporter, export
from om3d_core.export.settings import ExportSettings


def main(argv: Sequence[str]) -> int:
    """Write the file or folder; it appears whole or not at all."""
    parser = argparse.ArgumentParser("om3d export", description=__doc__)
    parser.add_argument("map", type=Path, help="a map folder")
    parser.add_argument("--format", choices=REGISTRY, required=True, help="what is written")
    add_out_flag(parser, "a new file, named as those of the format are, or folder (openlex3d)")
    add_setting_flags(parser, ExportSettings)
    args = parser.parse_args(argv)
    exporter: Exporter = REGISTRY.create(args.format, settings_from(args, ExportSettings))
    scene = load_scene(args.map)
    export(scene, exporter, args.out)
    print(plain(f"{args.out}: {len(scene)} instances on {len(scene.cloud)} points"))
    return 0

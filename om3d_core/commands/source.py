"""The recorded scene as a command-line argument."""

from __future__ import annotations

import argparse
from pathlib import Path

from om3d_core.commands.console import add_setting_flags, settings_from
from om3d_core.sources.base import Source
from om3d_core.sources.open import folder_layouts, layouts, open_source
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings


def add_source_flags(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the argument ``scene`` and the settings of its formats."""
    parser.add_argument("scene", type=Path, help=", or ".join(layouts()))
    known = parser.add_argument_group("layouts of folders")
    known.description = "\n".join(f"{name}: {files}" for name, files in folder_layouts().items())
    add_setting_flags(parser, RecordedStreamSettings)
    add_setting_flags(parser, SourceSettings)


def source_from(args: argparse.Namespace) -> Source:
    """Open the scene that the arguments name."""
    return open_source(
        args.scene,
        settings_from(args, SourceSettings),
        settings_from(args, RecordedStreamSettings),
    )

"""``om3d embed MAP --features.encoders NAME``: encode the views of a saved map anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from om3d_core.commands.console import (
    add_setting_flags,
    interruptible,
    parse_with_preset,
    progress_report,
    settings_from,
)
from om3d_core.data.scene_store import check_writable, load_map, save_scene
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.mapping.build import create_encoders
from om3d_core.mapping.crops import CropSettings
from om3d_core.mapping.embedder import Embedder
from om3d_core.mapping.encode_again import encode_again
from om3d_core.mapping.settings import FeatureSettings
from om3d_core.mapping.visibility import VisibilitySettings
from om3d_core.progress import Job
from om3d_core.segmenters import REGISTRY as SEGMENTERS
from om3d_core.segmenters.settings import RefinementSettings, SegmenterSettings


@dataclass(frozen=True)
class EmbedSettings:
    """What a view's features depend on."""

    features: FeatureSettings = field(default_factory=FeatureSettings)
    encoders: EncoderSettings = field(default_factory=EncoderSettings)
    crops: CropSettings = field(default_factory=CropSettings)
    visibility: VisibilitySettings = field(default_factory=VisibilitySettings)
    segmenter: RefinementSettings = field(default_factory=RefinementSettings)
    segmenters: SegmenterSettings = field(default_factory=SegmenterSettings)


def main(argv: Sequence[str]) -> int:
    """Replace the features of the map, or write another map; Ctrl-C leaves all as it was."""
    args = parse_with_preset(_parser(), argv)
    settings = settings_from(args, EmbedSettings)
    out = args.out or args.map
    check_writable(out)
    scene, keyframes = load_map(args.map)
    embedder = Embedder(
        create_encoders(settings.features.encoders, settings.encoders), settings.crops,
        settings.visibility, SEGMENTERS.create(settings.segmenter.method, settings.segmenters),
    )
    with progress_report() as report, interruptible() as stop:
        new = encode_again(scene, keyframes, embedder, Job(report, stop.is_set))
    missing = int(scene.views.valid.sum() - new.views.valid.sum())
    if missing:
        print(f"om3d: {missing} views are left out: their keyframes were not saved",
              file=sys.stderr)
    save_scene(new, out, keyframes)
    spaces = ", ".join(table.space.name for table in new.features)
    print(f"{out}: {int(new.views.valid.sum())} views of {len(new)} instances in {spaces}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d embed", description=__doc__)
    parser.add_argument("map", type=Path, help="folder of a map that has its keyframes")
    parser.add_argument("-o", "--out", type=Path, help="the map to write (default: MAP itself)")
    add_setting_flags(parser, EmbedSettings)
    return parser

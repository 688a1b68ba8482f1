"""``om3d run SCENE_OR_BAG -o MAP``: build a map without ROS, or one of each of several scenes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from om3d_core.batch.settings import BatchSettings
from om3d_core.commands.agreed import add_agreement_flags, agreed
from om3d_core.commands.console import (
    add_out_flag,
    add_setting_flags,
    interruptible,
    parse_with_preset,
    progress_report,
    settings_from,
)
from om3d_core.commands.refresh_log import RefreshLog
from om3d_core.commands.run_many import run_many
from om3d_core.commands.source import add_source_flags, source_from
from om3d_core.data.scene import Scene
from om3d_core.data.scene_store import check_writable, load_map, save_scene
from om3d_core.data.text import printable
from om3d_core.doctor.scene import depth_in_range
from om3d_core.errors import NothingMappedError, SettingsError
from om3d_core.evidence.detections import lacking
from om3d_core.mapping.build import create_mapper
from om3d_core.mapping.feed import feed
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Report
from om3d_core.sources.base import Source


def main(argv: Sequence[str]) -> int:
    """Build and save a map of a recording that agrees with itself; Ctrl-C while frames are read
    keeps what was read so far."""
    parser = _parser()
    args = parse_with_preset(parser, argv)
    settings = settings_from(args, MapSettings)
    if args.more:
        return run_many(parser, args, [args.scene, *args.more])
    if settings_from(args, BatchSettings).ray:
        raise SettingsError("ray: expected several scenes, got one")
    check_writable(args.out)
    args = agreed(argv, lambda flags: parse_with_preset(_parser(), flags))
    source = source_from(args)
    saved = load_map(args.onto) if args.onto is not None else None
    mapper = create_mapper(settings)
    if lack := lacking(settings.detections):
        print(f"om3d: {lack}", file=sys.stderr)
    if saved is not None:
        mapper.load(*saved)
    with progress_report() as report:
        log = RefreshLog(args.stats, args.pictures, settings.tracking.voxel_m, report)
        with _emptiness_explained(source, settings):
            with interruptible() as stop:
                read_frames(
                    source, mapper, report, stop.is_set,
                    lambda: log.refresh(mapper), args.refresh_every,
                )
            scene = log.refresh(mapper)
            if not len(scene.cloud):
                raise NothingMappedError(f"{args.scene}: the map is empty")
        for fault in mapper.set_aside:
            print(f"om3d: {fault}", file=sys.stderr)
        save_scene(scene, args.out, mapper.snapshot()[1])
    _summarize(args, source, mapper, scene)
    return 0


def read_frames(
    source: Source,
    mapper: Mapper,
    report: Report,
    stopped: Callable[[], bool],
    refresh: Callable[[], object] = lambda: None,
    refresh_every: int = 0,
) -> None:
    """Feed every frame, and the source's cloud if it has one, to the mapper.

    refresh is called after every ``refresh_every`` frames, but not after the last; 0 is never.
    """
    total = len(source)
    for done in feed(source, mapper):
        report("read", done, total)
        if refresh_every and done % refresh_every == 0 and done < total and mapper.n_keyframes:
            refresh()
        if stopped():
            print("om3d: stopped reading; mapping what was read", file=sys.stderr)
            return


@contextmanager
def _emptiness_explained(source: Source, settings: MapSettings) -> Iterator[None]:
    """Say with a map of nothing what depth there is."""
    try:
        yield
    except NothingMappedError as error:
        max_depth_m = settings.fusion.max_depth_m
        raise NothingMappedError(
            f"{error}: {depth_in_range(source, max_depth_m)} (fusion.max_depth_m,"
            " depth.units_per_m)"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d run", description=__doc__)
    add_source_flags(parser)
    parser.add_argument(
        "more", type=Path, nargs="*", help="more scenes: each in a process of its own, maps in"
        " OUT/NAME/map, one table; begun again, it goes on with those that are not done"
    )
    add_out_flag(parser, "the map folder to write; with several scenes, the folder of all")
    add_agreement_flags(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--onto", type=Path, metavar="MAP", help="go on from this saved map")
    parser.add_argument(
        "--refresh_every", type=_count, default=0, metavar="N",
        help="refresh the map after every N frames, as a robot would; 0 only at the end",
    )
    parser.add_argument("--stats", type=Path, help="write a row of JSON about each refresh")
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER",
        help="draw the map after each refresh, an instance in the color of its id",
    )
    add_setting_flags(parser, MapSettings)
    add_setting_flags(parser, BatchSettings)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number of frames, got {text!r}")
    return int(text)


def _summarize(args: argparse.Namespace, source: Source, mapper: Mapper, scene: Scene) -> None:
    summary = {
        "map": str(args.out),
        "points": len(scene.cloud),
        "instances": int((~scene.masks.structure).sum()),
        "structure": int(scene.masks.structure.sum()),
        "frames": mapper.counts.frames_offered,
        "keyframes": mapper.n_keyframes,
        "skipped": source.skipped.reasons,
        "skipped_examples": source.skipped.examples,
        "crops_encoded": mapper.counts.crops_encoded,
    }
    if args.json:
        print(json.dumps(summary))
        return
    print(
        f"{summary['map']}: {summary['instances']} objects and {summary['structure']} structure "
        f"masks on {summary['points']} points, from {summary['keyframes']} keyframes of "
        f"{summary['frames']} frames"
        + (f", {source.skipped.total} skipped" if source.skipped.total else "")
    )
    for line in source.skipped.lines:
        print(printable(f"skipped {line}"))

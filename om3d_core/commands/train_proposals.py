"""``om3d train-proposals DATASET -o OUT``: fine-tune Mask3D on labeled scenes, without classes.

DATASET is a scene of ``om3d synth``, a folder of them, or a ScanNet++ root.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from om3d_core.commands.console import (
    add_out_flag,
    add_setting_flags,
    interruptible,
    parse_with_preset,
    progress_report,
    settings_from,
)
from om3d_core.errors import SettingsError
from om3d_core.progress import Job
from om3d_core.training.dataset import SceneFolder, SceneSet, find_scenes
from om3d_core.training.settings import TrainSettings

if TYPE_CHECKING:
    from om3d_core.training.state import Record

CACHE = "scenes"


def main(argv: Sequence[str]) -> int:
    """Train; Ctrl-C finishes the step and leaves a state from which --resume goes on."""
    args = parse_with_preset(_parser(), argv)
    from om3d_core.training.trainer import BEST, STATE, Trainer

    settings = settings_from(args, TrainSettings)
    folders = find_scenes(args.dataset)
    train = _chosen(folders, args.train) if args.train else folders
    val = _chosen(folders, args.val) if args.val else train
    if args.train is None and args.val is not None:
        train = [folder for folder in folders if folder not in val]
    _check_output(args.out, args.resume, STATE)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.val is None:
        print("no validation scenes (--val): quality is measured on the training scenes")
    with progress_report() as report, interruptible() as stop:
        trainer = Trainer(
            SceneSet(train, settings.fusion, args.out / CACHE),
            SceneSet(val, settings.fusion, args.out / CACHE),
            settings,
            args.out,
            resume=args.resume,
            names=[*(f"train {f.name}" for f in train), *(f"val {f.name}" for f in val)],
        )
        trainer.train(Job(report, stop.is_set), _print)
    print(f"{args.out / BEST}: use it with --proposals.method mask3d --mask3d.checkpoint")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d train-proposals", description=__doc__)
    parser.add_argument("dataset", type=Path, help="a folder of labeled scenes")
    add_out_flag(parser, "a new folder")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the output")
    lists = "scene names, or a text file of one name a line"
    parser.add_argument("--train", nargs="+", metavar="SCENE|FILE", help=f"{lists}; default all")
    parser.add_argument("--val", nargs="+", metavar="SCENE|FILE", help=f"to measure on: {lists}")
    add_setting_flags(parser, TrainSettings)
    return parser


def _chosen(folders: Sequence[SceneFolder], names: Sequence[str]) -> list[SceneFolder]:
    by_name = {folder.name: folder for folder in folders}
    wanted: list[str] = []
    for name in names:
        path = Path(name)
        listed = name not in by_name and path.is_file()
        wanted += path.read_text(encoding="utf-8").split() if listed else [name]
    unknown = [name for name in wanted if name not in by_name]
    if unknown or not wanted:
        raise SettingsError(
            f"expected scenes among {', '.join(sorted(by_name)[:8])}, ..., got"
            f" {', '.join(unknown[:8]) or 'none'}"
        )
    return [by_name[name] for name in dict.fromkeys(wanted)]


def _check_output(folder: Path, resume: bool, state: str) -> None:
    if resume and not (folder / state).is_file():
        raise SettingsError(f"--resume: expected a started run in {folder}, found no {state}")
    if not resume and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(
            f"expected a new or empty folder, got {folder}; --resume goes on with a run"
        )


def _print(record: Record) -> None:
    named = [(k, record[k]) for k in ("loss", "ap", "ap50", "ap25", "recall50")]
    values = ", ".join(f"{k} {v:.3f}" for k, v in named if v is not None)
    print(f"step {record['step']}: {values}", flush=True)

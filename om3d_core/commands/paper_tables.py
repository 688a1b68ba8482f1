"""``om3d paper-tables DATASET ROOT``: the tables of the OpenMask3D++ paper, beside its numbers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from om3d_core.assembly import create_encoders, create_mapper
from om3d_core.commands.console import add_setting_flags, progress_report
from om3d_core.encoders.base import Encoder
from om3d_core.errors import InputError, MapFormatError
from om3d_core.evaluation.label_sets import LabelSet, load_label_set, paper_scenes
from om3d_core.evaluation.paper_rows import PAPER, PLANS, ROWS, Row, TablePlan
from om3d_core.evaluation.paper_tables import (
    LabeledScene,
    RowLabeler,
    fingerprint_of,
    perfect_numbers,
    record_scene,
    row_numbers,
)
from om3d_core.evaluation.protocols import PROTOCOLS
from om3d_core.evaluation.scene_records import SceneRecord, read_record, write_record
from om3d_core.evaluation.synthetic_truth import PREFIX, open_synthetic, synthetic_labels
from om3d_core.map_settings import MapSettings
from om3d_core.mapper import Mapper
from om3d_core.progress import Job, Report
from om3d_core.settings import Value, build, flatten, values_of
from om3d_core.sources.dataset import SETTINGS, open_dataset_scene, settings_type

NAMES = ("AP", "AP50", "AP25")
Open = Callable[[str, Report], LabeledScene]


@dataclass(frozen=True)
class Work:
    """Everything that a table needs."""

    plan: TablePlan
    labels: LabelSet
    scenes: tuple[str, ...]
    open_scene: Open
    values: dict[str, Value]
    encoders: tuple[Encoder, ...]
    out: Path


def main(argv: Sequence[str]) -> int:
    """Evaluate what has no record yet, then print the tables over all scenes."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.root is None and args.dataset != "synth":
        parser.error(f"{args.dataset} needs ROOT, the folder of the data set")
    args.root = args.root or Path("paper_tables")
    plan = PLANS[args.dataset]
    names = args.encoders.split(",") if args.encoders else list(plan.encoders)
    plan = replace(plan, prompt=args.prompt or plan.prompt, encoders=tuple(names))
    values = {**plan.settings_values(args.preset or ""), **_given(args, MapSettings)}
    work = Work(
        plan,
        *_data(args, plan),
        values=values,
        encoders=create_encoders(",".join(names), build(MapSettings, values).encoders),
        out=args.out or args.root / "records",
    )
    records, rows = run(work)
    summary = summarize(records, rows, work.labels, args.dataset)
    if args.json:
        print(json.dumps(summary))
    else:
        _print(summary, plan, len(records))
    return 0


def run(work: Work) -> tuple[list[SceneRecord], list[Row]]:
    """The record of every scene, read where it is there, and the rows that they hold."""
    settings = build(MapSettings, work.values)
    labeler = RowLabeler(
        ROWS, work.encoders, work.labels, settings.views, work.plan.views, work.plan.prompt
    )
    spaces = [space.name for encoder in work.encoders for space in encoder.spaces]
    rows = [row.name for row in labeler.rows]
    fingerprint = fingerprint_of([values_of(settings), spaces, rows, work.plan.prompt,
                                  work.plan.views, work.labels.names])  # fmt: skip
    work.out.mkdir(parents=True, exist_ok=True)
    records = []
    mappers: dict[MapSettings, Mapper] = {}
    with progress_report() as report:
        for done, scene in enumerate(work.scenes):
            report("scenes", done, len(work.scenes))
            path = work.out / f"{scene}.json"
            record = _known(path, fingerprint)
            if record is None:
                labeled = work.open_scene(scene, report)
                own = _for_scene(work.values, scene)
                if own not in mappers:
                    mappers = {own: create_mapper(own, work.encoders)}
                record = record_scene(labeled, mappers[own], labeler, fingerprint, Job(report))
                write_record(path, record)
            records.append(record)
        report("scenes", len(work.scenes), len(work.scenes))
    return records, labeler.rows


def summarize(
    records: Sequence[SceneRecord], rows: Sequence[Row], labels: LabelSet, dataset: str
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Percent AP, AP50, AP25 by protocol and number of labels, then by row; and the paper's.

    Raises InputError unless the ground truth scores 100 against itself.
    """
    summary: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, protocol in PROTOCOLS.items():
        perfect = perfect_numbers(records, labels, protocol)
        if not (perfect == 1.0).all():
            raise InputError(f"expected ground truth that scores 1 against itself, got {perfect}")
        summary[name] = {
            f"top{k}": {
                row.name: _percent(row_numbers(records, row.name, labels, protocol, k))
                for row in rows
            }
            for k in (1, 5)
        }
    if dataset in PAPER:
        summary["published"] = {
            f"top{PLANS[dataset].paper_top_k}": {
                name: list(numbers) for name, numbers in PAPER[dataset].items()
            }
        }
    return summary


def _percent(values: npt.NDArray[np.float64]) -> list[float]:
    return [round(100 * float(value), 2) for value in values]


def _known(path: Path, fingerprint: str) -> SceneRecord | None:
    """A record made with the same settings, if there is one."""
    if not path.exists():
        return None
    try:
        record = read_record(path)
    except MapFormatError:
        return None
    return record if record.fingerprint == fingerprint else None


def _for_scene(values: dict[str, Value], scene: str) -> MapSettings:
    """The settings with ``{scene}`` in texts replaced by the name of the scene."""
    named = {
        name: value.replace("{scene}", scene) if isinstance(value, str) else value
        for name, value in values.items()
    }
    return build(MapSettings, named)


def _data(
    args: argparse.Namespace, plan: TablePlan
) -> tuple[LabelSet, tuple[str, ...], Open]:
    """The labels, the scenes, and how to open one; missing files are told before any work."""
    if args.dataset == "synth":
        return (
            synthetic_labels(),
            tuple(f"{PREFIX}{seed}" for seed in args.seeds),
            lambda scene, report: open_synthetic(args.root, scene, report),
        )
    scenes = tuple(args.scenes.split(",")) if args.scenes else paper_scenes(args.dataset)
    scenes = scenes[: args.limit or None]
    kind = settings_type(args.dataset)
    own = build(kind, {**plan.scene_values, **_given(args, kind, f"{args.dataset}.")})
    for name in scenes:
        open_dataset_scene(args.dataset, args.root, name, own)

    def open_scene(name: str, report: Report) -> LabeledScene:
        scene = open_dataset_scene(args.dataset, args.root, name, own)
        return LabeledScene(name, scene, scene.ground_truth())

    return load_label_set(args.dataset), scenes, open_scene


def _given(args: argparse.Namespace, tree: type, prefix: str = "") -> dict[str, Value]:
    """The settings of a tree that the command line names."""
    names = [leaf.name for leaf in flatten(tree)]
    return {n: getattr(args, prefix + n) for n in names if hasattr(args, prefix + n)}


def _print(
    summary: dict[str, dict[str, dict[str, list[float]]]], plan: TablePlan, n_scenes: int
) -> None:
    titles = {row.name: row.title for row in ROWS}
    console = Console()
    for protocol in PROTOCOLS:
        table = Table(title=f"{plan.title}: protocol {protocol}, {n_scenes} scenes, percent")
        table.add_column("row")
        published = summary.get("published", {}) if protocol == "paper" else {}
        columns = [(f"top-{k}", summary[protocol][f"top{k}"]) for k in (1, 5)]
        columns += [(f"paper, {key.replace('top', 'top-')}", rows)
                    for key, rows in published.items()]  # fmt: skip
        for heading, _ in columns:
            for name in NAMES:
                table.add_column(f"{heading}\n{name}", justify="right")
        for row in summary[protocol]["top1"]:
            cells = [numbers.get(row) or [] for _, numbers in columns]
            texts = [f"{value:.1f}" for cell in cells for value in cell]
            table.add_row(titles[row], *texts)
        console.print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d paper-tables", description=__doc__)
    parser.add_argument("dataset", choices=sorted(PLANS), help="what to evaluate on")
    parser.add_argument(
        "root", type=Path, nargs="?", help="the folder of the data set, in its official layout; "
        "for synth, where rooms are rendered (default paper_tables)"
    )  # fmt: skip
    parser.add_argument("-o", "--out", type=Path, help="folder of the records of scenes; an "
                        "interrupted run goes on from them (default ROOT/records)")
    parser.add_argument("--scenes", help="scenes by name, separated by commas, instead of the "
                        "paper's")
    parser.add_argument("--limit", type=int, default=0, help="only the first so many scenes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="rooms of synth")
    parser.add_argument("--encoders", help="the encoder and, for the row of SigLIP, a second one")
    parser.add_argument("--prompt", help="text for a label, with {} where its name goes")
    parser.add_argument("--preset", metavar="NAME|FILE", help="settings of the map instead of "
                        "openmask3d_pp; flags win over it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting_flags(parser, MapSettings)
    for dataset in SETTINGS:
        add_setting_flags(parser, settings_type(dataset), f"{dataset}.")
    return parser

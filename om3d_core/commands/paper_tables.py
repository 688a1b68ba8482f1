"""``om3d paper-tables DATASET ROOT``: the tables of the OpenMask3D++ paper, beside its numbers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import add_setting_flags, progress_report
from om3d_core.encoders.base import Encoder
from om3d_core.errors import MapFormatError, SettingsError, SourceError
from om3d_core.evaluation.paper.records import SceneRecord, read_record, write_record
from om3d_core.evaluation.paper.rows import N_VIEWS, PLANS, ROWS, Row, TablePlan
from om3d_core.evaluation.paper.summary import Columns, Percents, Summary, summarize
from om3d_core.evaluation.paper.synthetic_truth import PREFIX, open_synthetic, synthetic_labels
from om3d_core.evaluation.paper.tables import (
    LabeledScene,
    RowLabeler,
    fingerprint_of,
    record_scene,
)
from om3d_core.mapping.build import create_encoders, create_mapper
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job, Report
from om3d_core.settings import Settings, Value, build, flatten, values_of
from om3d_core.sources.datasets import REGISTRY as DATASETS
from om3d_core.sources.datasets.base import open_dataset_scene, settings_type
from om3d_core.sources.datasets.label_sets import GROUPS, LabelSet, load_label_set, paper_scenes

AP_NAMES = ("AP", "AP50", "AP25")
Open = Callable[[str, Report], LabeledScene]


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that a table needs."""

    plan: TablePlan
    labels: LabelSet
    scenes: tuple[str, ...]
    open_scene: Open
    scene_settings: Settings | None
    values: dict[str, Value]
    encoders: tuple[Encoder, ...]
    out: Path


def main(argv: Sequence[str]) -> int:
    """Evaluate what has no record yet, then print the tables over all scenes."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.root is None and args.dataset != "synth":
        parser.error(f"{args.dataset} needs ROOT, the folder of the data set")
    if args.limit < 0:
        parser.error(f"--limit: expected at least 0, got {args.limit}")
    if min(args.seeds) < 0:
        parser.error(f"--seeds: expected at least 0, got {min(args.seeds)}")
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
        print(json.dumps(summary.to_json()))
    else:
        _print(summary, plan, len(records))
    return 0


def run(work: Work) -> tuple[list[SceneRecord], list[Row]]:
    """The record of every scene, read where it is there, and the rows that they hold."""
    settings = build(MapSettings, work.values)
    if settings.views.selection != "visible":
        raise SettingsError(
            "views.selection: expected visible, as every row chooses among the most visible views,"
            f" got {settings.views.selection}"
        )
    labeler = RowLabeler(
        ROWS, work.encoders, work.labels, settings.views, N_VIEWS, work.plan.prompt
    )
    spaces = [space.name for encoder in work.encoders for space in encoder.spaces]
    fingerprint = fingerprint_of(
        [values_of(settings), work.scene_settings, spaces, labeler.rows, work.plan.prompt, N_VIEWS,
         work.labels.names]
    )  # fmt: skip
    work.out.mkdir(parents=True, exist_ok=True)
    records = []
    mappers: dict[MapSettings, Mapper] = {}
    with progress_report(around="scenes") as report:
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
) -> tuple[LabelSet, tuple[str, ...], Open, Settings | None]:
    """Labels, scenes, how to open one and its settings; missing files are told before any work."""
    if args.dataset == "synth":
        return (
            synthetic_labels(),
            tuple(f"{PREFIX}{seed}" for seed in dict.fromkeys(args.seeds)),
            lambda scene, report: open_synthetic(args.root, scene, report),
            None,
        )
    listed = args.scenes.split(",") if args.scenes else paper_scenes(args.dataset)
    scenes = tuple(dict.fromkeys(listed))[: args.limit or None]
    kind = settings_type(args.dataset)
    own = build(kind, {**plan.scene_values, **_given(args, kind, f"{args.dataset}.")})
    check_scenes(args.dataset, args.root, scenes, own)

    def open_scene(name: str, report: Report) -> LabeledScene:
        scene = open_dataset_scene(args.dataset, args.root, name, own)
        return LabeledScene(name, scene, scene.ground_truth())

    return load_label_set(args.dataset), scenes, open_scene, own


def check_scenes(dataset: str, root: Path, scenes: Sequence[str], settings: Settings) -> None:
    """Raise SourceError with all that the first scene lacks, and the names of others that do."""
    faults: dict[str, SourceError] = {}
    for name in scenes:
        try:
            open_dataset_scene(dataset, root, name, settings)
        except SourceError as error:
            faults[name] = error
    if faults:
        first, *others = faults
        more = f". {len(others)} more cannot be read: {', '.join(others)}" if others else ""
        raise SourceError(f"{faults[first]}{more}") from faults[first]


def _given(args: argparse.Namespace, tree: type, prefix: str = "") -> dict[str, Value]:
    """The settings of a tree that the command line names."""
    names = [leaf.name for leaf in flatten(tree)]
    return {n: getattr(args, prefix + n) for n in names if hasattr(args, prefix + n)}


def _print(summary: Summary, plan: TablePlan, n_scenes: int) -> None:
    console = Console()
    masks = ", ".join(f"{n} {t}" for n, t in zip(AP_NAMES, _texts(summary.masks), strict=True))
    scenes = "one scene" if n_scenes == 1 else f"{n_scenes} scenes"
    print(f"{plan.title}: {scenes}, percent\nmasks whatever their labels: {masks}\n")
    for protocol, columns in summary.protocols.items():
        published = summary.published if protocol == "paper" else {}
        beside = {**columns, **{f"paper\n{key}": rows for key, rows in published.items()}}
        console.print(_table(f"protocol {protocol}", beside, AP_NAMES))
    for protocol, columns in summary.groups.items():
        console.print(_table(f"protocol {protocol}, AP by frequency", columns, GROUPS))


def _table(title: str, columns: Columns, names: Sequence[str]) -> Table:
    """A row for every row of the first of the columns."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    table.add_column("row", no_wrap=True)
    for key in columns:
        for name in names:
            table.add_column(f"{key.replace('top', 'top-')}\n{name}", justify="right")
    titles = {row.name: row.title for row in ROWS}
    for row in next(iter(columns.values())):
        cells = (rows.get(row, [None] * len(names)) for rows in columns.values())
        table.add_row(titles[row], *(text for cell in cells for text in _texts(cell)))
    return table


def _texts(values: Percents) -> list[str]:
    return ["" if value is None else f"{value:.1f}" for value in values]


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
                        "the original's for the data set; flags win over it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting_flags(parser, MapSettings)
    for dataset in DATASETS:
        add_setting_flags(parser, settings_type(dataset), f"{dataset}.")
    return parser

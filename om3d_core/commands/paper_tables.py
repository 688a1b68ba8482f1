"""``om3d paper-tables DATASET ROOT``: the tables of the OpenMask3D++ paper, beside its numbers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from om3d_core.batch.finish import finish
from om3d_core.batch.jobs import FAILED, Outcome, SceneJob
from om3d_core.batch.settings import BatchSettings
from om3d_core.batch.workers import create_runner
from om3d_core.commands.console import (
    add_setting_flags,
    flags_of,
    progress_report,
    settings_from,
)
from om3d_core.commands.paper_print import print_tables
from om3d_core.commands.run_many import EXIT_SOME_FAILED, tell_failure
from om3d_core.encoders.base import Encoder
from om3d_core.errors import MapFormatError, SettingsError, SourceError
from om3d_core.evaluation.paper.records import SceneRecord, read_record, write_record
from om3d_core.evaluation.paper.rows import N_VIEWS, PLANS, ROWS, Row, TablePlan
from om3d_core.evaluation.paper.summary import summarize
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
from om3d_core.settings import Settings, Value, build, flatten, setting, values_of
from om3d_core.sources.datasets import REGISTRY as DATASETS
from om3d_core.sources.datasets.base import open_dataset_scene, settings_type
from om3d_core.sources.datasets.label_sets import LabelSet, load_label_set, paper_scenes

Open = Callable[[str, Report], LabeledScene]
Spread = Callable[[Sequence[str]], Sequence[str]]
MODULE = "om3d_core.commands.paper_tables"
NOT_OF_A_SCENE = ("json", "records", "workers", "memory_gb", "retries", "ray")


@dataclass(frozen=True)
class TableBatchSettings(BatchSettings):
    """As for any scenes, but one after another by default: networks may share one GPU."""

    workers: int = setting(
        1, "scenes at a time, each in a process of its own; 1: one after another in this one;"
        " 0: one for each core, as far as memory_gb for each is free",
        low=0, high=10_000,
    )  # fmt: skip


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
    settings = settings_from(args, TableBatchSettings)
    alone = settings.workers == 1 and not settings.ray
    failed: list[Outcome] = []

    def spread(scenes: Sequence[str]) -> Sequence[str]:
        jobs = [_job(parser, args, scene, work.out) for scene in scenes]
        with progress_report() as report:
            outcomes = finish(jobs, create_runner(settings, len(jobs)), report, tell_failure)
        failed.extend(outcome for outcome in outcomes if outcome.state == FAILED)
        return [outcome.name for outcome in failed]

    records, rows = run(work, None if alone else spread)
    status = EXIT_SOME_FAILED if failed else 0
    if args.records:
        made = [record.scene for record in records]
        print(json.dumps({"records": made}) if args.json else f"{work.out}: {len(made)} records")
    if args.records or not records:
        return status
    summary = summarize(records, rows, work.labels, args.dataset)
    if args.json:
        print(json.dumps(summary.to_json()))
    else:
        print_tables(summary, plan, len(records))
    return status


def run(work: Work, spread: Spread | None = None) -> tuple[list[SceneRecord], list[Row]]:
    """The record of every scene, read where it is there, and the rows that they hold.

    spread: makes the records of several scenes elsewhere first, and says of which it failed to;
    these are left out.
    """
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
    missing = [s for s in work.scenes if _known(work.out / f"{s}.json", fingerprint) is None]
    failed = spread(missing) if spread is not None and missing else ()
    scenes = [scene for scene in work.scenes if scene not in failed]
    with progress_report(around="scenes") as report:
        for done, scene in enumerate(scenes):
            report("scenes", done, len(scenes))
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
        report("scenes", len(scenes), len(scenes))
    return records, labeler.rows


def _job(
    parser: argparse.ArgumentParser, args: argparse.Namespace, scene: str, out: Path
) -> SceneJob:
    """The command that makes the record of one scene."""
    flags = flags_of(parser, args, ("out", "scenes", "limit", "seeds", *NOT_OF_A_SCENE))
    chosen = ["--seeds", scene.removeprefix(PREFIX)] if args.dataset == "synth" else [
        f"--scenes={scene}"
    ]  # fmt: skip
    return SceneJob(
        scene, MODULE,
        (args.dataset, str(args.root.absolute()), *chosen, *flags, "--records", "--json",
         f"--out={out.absolute()}"),
        out.absolute() / "logs" / scene, Path.cwd(),
    )  # fmt: skip


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
    parser.add_argument("--records", action="store_true", help="make the records of the scenes "
                        "and print no table")
    add_setting_flags(parser, MapSettings)
    add_setting_flags(parser, TableBatchSettings)
    for dataset in DATASETS:
        add_setting_flags(parser, settings_type(dataset), f"{dataset}.")
    return parser

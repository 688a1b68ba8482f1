"""The paper's tables on a small scene in ScanNet's layout, resumed, and on synthetic rooms."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers.dataset_maker import surface, write_replica, write_scannet, write_scannetpp
from helpers.doubles import BoxProposer
from helpers.tiny_models import (  # noqa: F401
    one_thread,
    tiny_clip,
    tiny_mask3d,
    tiny_sam,
    tiny_siglip,
)
from helpers.worlds import tabletop

from om3d_core.batch.jobs import DONE, FAILED, Outcome
from om3d_core.commands import paper_tables as command
from om3d_core.commands.console import progress_report
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.errors import InputError, SettingsError, SourceError
from om3d_core.evaluation.paper import summary as paper_summary
from om3d_core.evaluation.paper.records import read_record
from om3d_core.evaluation.paper.rows import PLANS, ROWS
from om3d_core.evaluation.paper.summary import summarize
from om3d_core.evaluation.paper.synthetic_truth import open_synthetic, synthetic_labels
from om3d_core.evaluation.paper.tables import RowLabeler, map_scene
from om3d_core.mapping import build as assembly
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.views import ViewSettings
from om3d_core.progress import Job
from om3d_core.settings import build
from om3d_core.sources.datasets.base import open_dataset_scene
from om3d_core.sources.datasets.label_sets import load_label_set
from om3d_core.sources.datasets.scannet import ScanNetSettings
from om3d_core.synthetic.writer import SceneWriter

COLORS = {"trash can": (200, 40, 40), "bottle": (40, 180, 60), "table": (150, 110, 70)}
SCENES = ("scene0011_00", "scene0011_01")


class Colors:
    """Encodes crops and label names by color; ``swapped`` mistakes trash cans for bottles."""

    def __init__(self, name="color@1", swapped=False):
        self.spaces = (FeatureSpace(name, 3, True, True),)
        self.swapped, self.n_crops = swapped, 0

    def encode_images(self, crops):
        self.n_crops += len(crops)
        rows = np.array([np.median(c.reshape(-1, 3), axis=0) for c in crops]).reshape(-1, 3)
        return {self.spaces[0].name: self._unit(rows)}

    def encode_texts(self, texts):
        """Words for other things are unlike every color."""
        rows = [next((c for n, c in self._colors().items() if f"a {n} in" in text), None)
                for text in texts]  # fmt: skip
        known = self._unit(np.array([row or (0, 0, 0) for row in rows], float))
        known[[row is None for row in rows]] = -np.sqrt(1 / 3)
        return {self.spaces[0].name: known}

    def _colors(self):
        first, second = ("bottle", "trash can") if self.swapped else ("trash can", "bottle")
        return {**COLORS, first: COLORS["trash can"], second: COLORS["bottle"]}

    def _unit(self, rows):
        rows = np.maximum(rows - 60, 0)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows / np.maximum(length, 1e-9)).astype(np.float32)


@pytest.fixture
def root(tmp_path):
    """Two scans with the masks of their solids beside them."""
    *_, solid = surface()
    masks = np.stack([solid == number for number in range(1, 5)], axis=1)
    for scene in SCENES:
        write_scannet(tmp_path, scene, n_frames=12)
        np.savez(tmp_path / f"{scene}_masks.npz", masks=masks)
    return tmp_path


def work_of(root, encoders, *flags, opened=None):
    plan = PLANS["scannet200"]
    args = command._parser().parse_args(
        ["scannet200", str(root), "--scenes", ",".join(SCENES), *flags]
    )
    labels, scenes, open_scene, own = command._data(args, plan)

    def noted(name, report):
        if opened is not None:
            opened.append(name)
        return open_scene(name, report)

    values = {**plan.settings_values(), "segmenter.method": "none",
              "proposals.method": "precomputed",
              "precomputed.path": str(root / "{scene}_masks.npz"),
              "visibility.depth_tolerance_m": 0.05}  # fmt: skip
    return command.Work(plan, labels, scenes, noted, own, values, encoders, root / "records")


def test_every_row_from_one_encoding(root) -> None:
    first, second = Colors(), Colors("swapped@1", swapped=True)
    work = work_of(root, (first, second))
    records, rows = command.run(work)
    assert [row.name for row in rows] == [row.name for row in ROWS]
    summary = summarize(records, rows, work.labels, "scannet200")
    paper, benchmark = summary.protocols["paper"], summary.protocols["benchmark"]
    assert paper["top1"]["base"] == [100.0] * 3
    assert paper["top1"]["siglip"] == pytest.approx([100 / 3] * 3, abs=0.01)
    assert paper["top5"]["siglip"] == [100.0] * 3
    assert all(benchmark["top1"][row] == paper["top1"][row] for row in paper["top1"])
    assert benchmark["top5"]["siglip"][0] < 100
    assert summary.published["top1"]["base"] == [11.1, 13.5, 13.8]
    assert summary.masks == [100.0] * 3
    groups = summary.groups["paper"]["top1"]
    assert groups["base"] == [100.0, 100.0, None] and groups["siglip"] == [50.0, 0.0, None]
    assert first.n_crops == second.n_crops
    views = 3 * 10 * 4 * len(SCENES)
    assert 0 < first.n_crops <= views


def test_an_interrupted_run_goes_on(root) -> None:
    opened, encoder = [], Colors()
    work = work_of(root, (encoder,), opened=opened)
    expected, rows = command.run(work)
    assert opened == list(SCENES) and "siglip" not in [row.name for row in rows]
    encoded = encoder.n_crops
    again, _ = command.run(work)
    assert opened == list(SCENES) and encoder.n_crops == encoded
    (work.out / f"{SCENES[1]}.json").write_text("{")
    resumed, _ = command.run(work)
    assert opened == [*SCENES, SCENES[1]]
    for records in (again, resumed):
        for record, reference in zip(records, expected, strict=True):
            np.testing.assert_array_equal(record.counts.shared, reference.counts.shared)
            for name, row in reference.rows.items():
                np.testing.assert_array_equal(record.rows[name].ids, row.ids)
    command.run(replace(work, values={**work.values, "crops.levels": 2}))
    assert opened == [*SCENES, SCENES[1], *SCENES]


@pytest.mark.parametrize("flags", [("--scannet200.step", "3"),
                                   ("--scannet200.intrinsics_scaling", "per_axis")])  # fmt: skip
def test_scenes_that_are_read_otherwise_are_evaluated_anew(root, flags) -> None:
    opened, encoder = [], Colors()
    command.run(work_of(root, (encoder,), opened=opened))
    command.run(work_of(root, (encoder,), *flags, opened=opened))
    assert opened == [*SCENES, *SCENES]
    command.run(work_of(root, (encoder,), *flags, opened=opened))
    assert opened == [*SCENES, *SCENES]


def test_the_command_prints_both_protocols_beside_the_paper(root, monkeypatch, capsys) -> None:
    encoders = Colors(), Colors("b@1", True)
    monkeypatch.setattr(command, "create_encoders", lambda names, settings: encoders)
    arguments = ["scannet200", str(root), "--scenes", ",".join(SCENES), "--limit", "1",
                 "--segmenter.method", "none", "--scannet200.step", "2",
                 "--proposals.method", "precomputed",
                 "--precomputed.path", str(root / "{scene}_masks.npz")]  # fmt: skip
    assert command.main(arguments) == 0
    printed = capsys.readouterr().out
    for text in ("one scene", "protocol paper", "protocol benchmark", "Base + max aggr.", "15.4",
                 "masks whatever their labels: AP 100.0", "frequency", "head", "tail"):
        assert text in printed
    assert command.main([*arguments, "--json"]) == 0
    parts = set(json.loads(capsys.readouterr().out))
    assert parts == {"paper", "benchmark", "groups", "masks", "published"}
    for wrong in (["scannetpp"], ["scannet200", str(root), "--limit", "-1"]):
        with pytest.raises(SystemExit):
            command.main(wrong)
    own = root / "mine.yaml"
    own.write_text("mapper: {ros__parameters: {mask3d: {segmnts: dataset}}}")
    for wrong, message in ((["--preset", str(own)], "mask3d.segmnts"),
                           (["--views.selection", "bearing"], "expected visible")):  # fmt: skip
        with pytest.raises(SettingsError, match=message):
            command.main([*arguments, *wrong])
    with pytest.raises(SourceError, match=r"scene0015_00.*Terms of Use.*37 more.*scene0100_02"):
        command.main(["scannet200", str(root)])


def test_several_at_a_time_are_asked_of_the_same_command(root, monkeypatch, capsys) -> None:
    """The command of each scene has all flags; where one fails, the others are in the table."""
    jobs = []

    class Failing:
        def run(self, given):
            jobs.extend(given)
            yield Outcome(SCENES[1], FAILED, error="no\nmasks")
            yield Outcome(SCENES[0], DONE)

    monkeypatch.setattr(command, "create_encoders", lambda names, settings: (Colors(),))
    monkeypatch.setattr(command, "create_runner", lambda settings, n: Failing())
    arguments = ["scannet200", str(root), "--segmenter.method", "none", "--encoders", "lite",
                 "--proposals.method", "precomputed", "--views.top_k", "2", "--json",
                 "--precomputed.path", str(root / "{scene}_masks.npz"), "--crops.levels", "1",
                 "--scannet200.step", "3", "--workers", "2"]  # fmt: skip
    assert command.main([*arguments, "--scenes", ",".join(SCENES)]) == 1
    printed = capsys.readouterr()
    assert f"om3d: {SCENES[1]} failed: no masks" in printed.err
    assert json.loads(printed.out)["masks"] == [100.0] * 3
    assert [path.name for path in (root / "records").iterdir()] == [f"{SCENES[0]}.json"]
    whole = vars(command._parser().parse_args(arguments))
    for job, scene in zip(jobs, SCENES, strict=True):
        asked = vars(command._parser().parse_args(job.arguments))
        own = {"scenes": scene, "records": True, "out": root / "records"}
        assert asked == {**{k: v for k, v in whole.items() if k != "workers"}, **own}


@pytest.mark.slow
def test_records_are_made_in_processes_and_a_failure_is_told(root, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    (root / f"{SCENES[1]}_masks.npz").unlink()
    arguments = ["scannet200", str(root), "--segmenter.method", "none", "--encoders", "lite",
                 "--proposals.method", "precomputed", "--json", "--views.top_k", "2",
                 "--precomputed.path", str(root / "{scene}_masks.npz"), "--crops.levels", "1",
                 "--scannet200.step", "5"]  # fmt: skip
    assert command.main([*arguments, "--scenes", ",".join(SCENES), "--workers", "2"]) == 1
    printed = capsys.readouterr()
    assert f"om3d: {SCENES[1]} failed:" in printed.err and "found none" in printed.err
    table, path = json.loads(printed.out), root / "records" / f"{SCENES[0]}.json"
    made = path.stat().st_mtime_ns
    assert read_record(path).scene == SCENES[0] and table["masks"] == [100.0] * 3
    assert command.main([*arguments, "--scenes", SCENES[0], "--records"]) == 0
    assert json.loads(capsys.readouterr().out) == {"records": [SCENES[0]]}
    assert path.stat().st_mtime_ns == made


@pytest.fixture
def tiny_network(tmp_path):
    """Settings that put a tiny Mask3D in the place of the published one, and leave SAM out."""
    path = str(tiny_mask3d(tmp_path / "tiny.safetensors"))
    return {"segmenter.method": "none", "mask3d.checkpoint": path, "mask3d.num_heads": 2,
            "mask3d.num_queries": 20}  # fmt: skip


def flags_of(values):
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


def parts_of_segments(masks, segments):
    """How many times a mask holds some of a segment, but not all of it."""
    sizes = np.bincount(segments)
    held = np.stack([np.bincount(segments[masks[i]], minlength=len(sizes))
                     for i in range(len(masks))])  # fmt: skip
    return int(((held > 0) & (held < sizes)).sum())


def test_masks_of_scannet200_are_made_of_its_own_segments(tmp_path, tiny_network) -> None:
    write_scannet(tmp_path)
    plan = PLANS["scannet200"]
    own = build(ScanNetSettings, plan.scene_values)
    broken = {}
    for segments in ("dataset", "none"):
        values = {**plan.settings_values(), **tiny_network}
        values |= {} if segments == "dataset" else {"mask3d.segments": segments}
        mapper = assembly.create_mapper(build(MapSettings, values), (Colors(),))
        scene = open_dataset_scene("scannet200", tmp_path, SCENES[0], own)
        masks = map_scene(scene, mapper, Job()).scene.masks
        assert len(masks) > 1
        broken[segments] = parts_of_segments(masks, scene.cloud().segments)
    assert broken["dataset"] == 0 < broken["none"]


@pytest.mark.parametrize(
    ("dataset", "scene", "write"),
    [("scannet200", SCENES[0], write_scannet), ("scannetpp", "7b6477cb95", write_scannetpp),
     ("replica", "office0", write_replica)],
)  # fmt: skip
def test_the_command_with_tiny_models(
    tmp_path, tiny_network, capsys, dataset, scene, write
) -> None:
    """CLIP, SigLIP, SAM and Mask3D as the plan has them, but for their sizes."""
    write(tmp_path / "data")
    flags = flags_of({**tiny_network, "segmenter.method": "sam", "mask3d.num_queries": 4,
                      "clip.model": tiny_clip(tmp_path / "clip"),
                      "siglip.model": tiny_siglip(tmp_path / "siglip"),
                      "sam.model": tiny_sam(tmp_path / "sam")})  # fmt: skip
    arguments = [dataset, str(tmp_path / "data"), "--scenes", scene, "--limit", "1", *flags]
    assert command.main([*arguments, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert all(0 <= value <= 100 for value in summary["masks"])
    assert list(summary["paper"]["top1"]) == [row.name for row in ROWS]
    record = read_record(tmp_path / f"data/records/{scene}.json")
    assert len(record.counts.scores) > 1
    assert all((labels.ids >= 0).any() for labels in record.rows.values())


def test_only_scannet_and_scannetpp_have_segments(tmp_path, monkeypatch, tiny_network) -> None:
    write_replica(tmp_path)
    monkeypatch.setattr(command, "create_encoders", lambda names, settings: (Colors(),))
    with pytest.raises(InputError, match=r"mask3d\.segments dataset.*other sources have none"):
        command.main(["replica", str(tmp_path), "--scenes", "office0", *flags_of(tiny_network),
                      "--mask3d.segments", "dataset"])  # fmt: skip


def test_the_bar_of_scenes_waits_for_the_stages_of_each(capsys) -> None:
    with pytest.raises(KeyboardInterrupt), progress_report(around="scenes") as report:
        for stage, done, total in [("scenes", 0, 3), ("read", 4, 5), ("masks", 1, 2),
                                   ("scenes", 1, 3), ("read", 2, 5)]:  # fmt: skip
            report(stage, done, total)
        raise KeyboardInterrupt
    shown = re.findall(r"(\w+) .* (\d/\d)", capsys.readouterr().err)
    assert shown == [("scenes", "1/3"), ("read", "2/5"), ("masks", "2/2")]


def test_missing_scenes_name_their_origin(root) -> None:
    work = work_of(root, (Colors(),))
    with pytest.raises(SourceError, match="Terms of Use"):
        command.run(replace(work, scenes=("scene0015_00",)))


def test_ground_truth_that_fails_against_itself_is_refused(root, monkeypatch) -> None:
    work = work_of(root, (Colors(),))
    records, rows = command.run(work)
    monkeypatch.setattr(paper_summary, "perfect_numbers", lambda *_: np.array([1.0, 0.9, 1.0]))
    with pytest.raises(InputError, match="against itself"):
        summarize(records, rows, work.labels, "scannet200")


def test_a_prompt_has_a_place_for_the_label() -> None:
    labels = load_label_set("scannet200")
    with pytest.raises(SettingsError, match="prompt"):
        RowLabeler(ROWS, (Colors(),), labels, ViewSettings(), 5, "a thing")


def test_unknown_rooms(tmp_path) -> None:
    for name in ("room-1", "synth-", "synth-x", "synth-1/2"):
        with pytest.raises(SourceError, match="synth-1"):
            open_synthetic(tmp_path, name)


@pytest.fixture
def room(tmp_path):
    """A rendered room as om3d synth writes it, of one table and two boxes."""
    folder, frames = tmp_path / "synth-7", tabletop(6)
    folder.mkdir()
    writer = SceneWriter(folder, frames[0].intrinsics)
    blank = np.zeros(frames[0].depth.shape, np.uint16)
    for number, frame in enumerate(frames):
        depth_mm = np.rint(frame.depth * 1000).astype(np.uint16)
        writer.frame(number, frame.rgb, depth_mm, blank, frame.map_from_camera)
    points, _, solid = surface()
    writer.ground_truth(points=points, instance=(solid + 1).astype(np.uint16),
                        class_id=np.zeros(len(solid), np.uint16))  # fmt: skip
    names = ("floor", "table", "mug", "mug", "no such class")
    writer.json("scene.json", {"rate_hz": 10.0, "instances": [
        {"id": i + 1, "class": name, "structure": name == "floor"}
        for i, name in enumerate(names)]})  # fmt: skip
    return tmp_path


def test_rooms_are_labeled_by_the_classes_of_the_catalog(room) -> None:
    scene = open_synthetic(room, "synth-7")
    labels, (points, _, solid) = synthetic_labels(), surface()
    np.testing.assert_array_equal(scene.points, points)
    table, mug = (labels.id_of[name] * 1000 for name in ("table", "mug"))
    expected = np.array([0, table + 1, mug + 1, mug + 2, 0])[solid]
    np.testing.assert_array_equal(scene.gt_ids, expected)
    assert len(list(scene.source)) == 6 and scene.source.cloud() is None


def test_rooms_are_evaluated_on_their_own_points(room, monkeypatch, capsys) -> None:
    """The map is fused from the frames; its masks are carried over to the ground truth."""
    monkeypatch.setattr(command, "create_encoders", lambda names, settings: (Colors(),))
    monkeypatch.setattr(assembly, "create_proposer", lambda settings: BoxProposer())
    arguments = ["synth", str(room), "--seeds", "7", "--prompt", "a {} in a scene",
                 "--fusion.voxel_m", "0.02", "--json"]  # fmt: skip
    assert command.main(arguments) == 0
    summary = json.loads(capsys.readouterr().out)
    assert set(summary) == {"paper", "benchmark", "masks"}
    record = read_record(room / "records/synth-7.json")
    assert len(record.counts.instance_ids) == 3
    overlap = record.counts.shared.max(axis=0) / record.counts.gt_sizes
    assert (overlap > 0.3).all()

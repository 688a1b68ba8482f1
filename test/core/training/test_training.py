"""Training of class-agnostic proposals: losses, matching, scenes, and the loop."""

from __future__ import annotations

import itertools
import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.dataset_maker import surface, write_scannetpp
from helpers.labeled_rooms import room
from helpers.worlds import tabletop, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from scipy.spatial.distance import pdist

from om3d_core.cli import main as om3d
from om3d_core.errors import CanceledError, InputError, ModelError, SettingsError, SourceError
from om3d_core.mapping.fusion import FusionSettings
from om3d_core.progress import Job
from om3d_core.proposals.mask3d import Mask3DProposer, Mask3DSettings
from om3d_core.proposals.mask3d.checkpoint import load_network
from om3d_core.proposals.mask3d.network import Mask3D, NetworkConfig
from om3d_core.proposals.mask3d.postprocess import class_probabilities
from om3d_core.settings import build, values_of
from om3d_core.training import LabeledScene, SceneSet, TrainSettings, find_scenes
from om3d_core.training.augment import augment
from om3d_core.training.dataset import BACKGROUND, VOID
from om3d_core.training.losses import (
    best_match,
    class_loss,
    mask_costs,
    mask_loss,
    objectness,
    prediction_loss,
)
from om3d_core.training.matching import match_queries
from om3d_core.training.sample import Sampler, targets_of
from om3d_core.training.schedule import learning_rate
from om3d_core.training.settings import AugmentSettings, LossSettings, ScheduleSettings
from om3d_core.training.state import save_state, save_weights
from om3d_core.training.trainer import BEST, LAST, METRICS, STATE, Trainer

TINY = {
    "mask3d.voxel_m": 0.1, "mask3d.num_queries": 6, "mask3d.num_heads": 2, "mask3d.device": "cpu",
    "mask3d.min_score": 0.0, "mask3d.min_voxels": 1, "network.channels": 4,
    "network.max_units": 1, "network.dim": 16, "network.feed_forward": 16,
    "scenes.min_voxels": 4, "schedule.steps": 4, "schedule.batch_size": 1,
    "schedule.learning_rate": 1e-3, "schedule.evaluate_every": 2, "schedule.save_every": 1,
}  # fmt: skip
FLAGS = [text for name, value in TINY.items() for text in (f"--{name}", str(value))]
LOSSES = [LossSettings(), LossSettings(mask="focal", focal_gamma=1.5, focal_alpha=0.3)]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def rooms() -> list[LabeledScene]:
    return [room(seed, 3) for seed in range(2)]


def options(**changes: object) -> TrainSettings:
    given = {name.replace("__", "."): value for name, value in changes.items()}
    return build(TrainSettings, {**TINY, **given})


def random_case(seed: int, n_queries: int = 5, n_targets: int = 3, n_voxels: int = 40):
    """Class logits (Q, 4), mask logits (Q, N) and disjoint targets (T, N)."""
    torch.manual_seed(seed)
    owner = torch.randint(-1, n_targets, (n_voxels,))
    targets = (owner == torch.arange(n_targets)[:, None]).double()
    logits = 3 * torch.randn(n_queries, n_voxels, dtype=torch.float64)
    return torch.randn(n_queries, 4, dtype=torch.float64), logits, targets


def pair_cost(logits: torch.Tensor, target: torch.Tensor, loss: LossSettings) -> float:
    """One query against one target, voxel by voxel, from the definitions."""
    total, shared, sums = 0.0, 0.0, 0.0
    for x, t in zip(logits.tolist(), target.tolist(), strict=True):
        p = 1 / (1 + math.exp(-x))
        right = p if t else 1 - p
        term = -math.log(right)
        if loss.mask == "focal":
            alpha = loss.focal_alpha if t else 1 - loss.focal_alpha
            term *= alpha * (1 - right) ** loss.focal_gamma
        total, shared, sums = total + term, shared + p * t, sums + p + t
    dice = 1 - (2 * shared + 1) / (sums + 1)
    return loss.mask_weight * total / len(logits) + loss.dice_weight * dice


@pytest.mark.parametrize("loss", LOSSES, ids=["bce", "focal"])
def test_mask_costs_and_loss_equal_their_definitions(loss):
    _, logits, targets = random_case(0)
    expected = torch.tensor(
        [[pair_cost(q, t, loss) for t in targets] for q in logits], dtype=torch.float64
    )
    torch.testing.assert_close(mask_costs(logits, targets, loss), expected)
    matched = torch.stack([expected[4, 0], expected[1, 1], expected[2, 2]]).mean()
    torch.testing.assert_close(mask_loss(logits[[4, 1, 2]], targets, loss), matched)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31 - 1))
def test_matching_is_the_cheapest_of_all_permutations(n_queries, n_targets, seed):
    torch.manual_seed(seed)
    cost = torch.randn(n_queries, n_targets, dtype=torch.float64)
    match = match_queries(cost)
    n = min(n_queries, n_targets)
    assert len(set(match.queries.tolist())) == len(set(match.targets.tolist())) == n
    table = cost if n_queries >= n_targets else cost.T
    cheapest = min(
        sum(float(table[q, t]) for t, q in enumerate(chosen))
        for chosen in itertools.permutations(range(len(table)), table.shape[1])
    )
    assert float(cost[match.queries, match.targets].sum()) == pytest.approx(cheapest, abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES, ids=["bce", "focal"])
@pytest.mark.parametrize("seed", range(4))
def test_the_loss_of_a_prediction_equals_brute_force(loss, seed):
    classes, logits, targets = random_case(seed)
    present = 1 - classes.softmax(1)[:, -1]
    table = [[pair_cost(q, t, loss) for t in targets] for q in logits]

    def matching_cost(chosen: tuple[int, ...]) -> float:
        return sum(
            table[q][t] - loss.class_weight * float(present[q]) for t, q in enumerate(chosen)
        )

    best = min(itertools.permutations(range(5), 3), key=matching_cost)
    match = best_match(classes, logits, targets, loss)
    assert dict(zip(match.targets.tolist(), match.queries.tolist(), strict=True)) == dict(
        enumerate(best)
    )
    weights = [1.0 if q in best else loss.no_object_weight for q in range(5)]
    entropy = [
        -math.log(present[q] if q in best else 1 - present[q]) * weights[q] for q in range(5)
    ]
    expected = loss.class_weight * sum(entropy) / sum(weights)
    expected += sum(table[q][t] for t, q in enumerate(best)) / 3
    assert float(prediction_loss(classes, logits, targets, loss)) == pytest.approx(expected)


def test_objectness_is_what_ranks_masks():
    logits = torch.randn(7, 12)
    expected = 1 - class_probabilities(logits.numpy())[:, -1]
    np.testing.assert_allclose(objectness(logits).softmax(1)[:, 0], expected, atol=1e-6)


def test_a_scene_without_objects_only_teaches_no_object():
    classes, logits, _ = random_case(1)
    classes.requires_grad_(), logits.requires_grad_()
    prediction_loss(classes, logits, torch.zeros(0, 40).double(), LossSettings()).backward()
    assert logits.grad is None
    assert bool((classes.grad[:, -1] < 0).all())
    no_weight = class_loss(classes, torch.zeros(0, dtype=torch.int64),
                           LossSettings(no_object_weight=0.0))  # fmt: skip
    assert bool(torch.isfinite(no_weight))


def test_costs_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="finite costs"):
        match_queries(torch.tensor([[1.0, math.nan]]))
    with pytest.raises(InputError, match="shape"):
        match_queries(torch.zeros(3))


def test_learning_rates():
    one_cycle = ScheduleSettings(steps=100, learning_rate=1.0, warmup=0.2)
    rates = [learning_rate(step, one_cycle) for step in range(100)]
    assert rates[0] == pytest.approx(0.04) and rates[20] == pytest.approx(1.0)
    assert np.argmax(rates) == 20 and (np.diff(rates[20:]) < 0).all() and 0 < rates[-1] < 0.01
    poly = ScheduleSettings(steps=100, learning_rate=1.0, shape="poly", power=2.0)
    assert [learning_rate(step, poly) for step in (0, 50)] == [1.0, 0.25]
    assert learning_rate(0, replace(one_cycle, warmup=0.0, steps=1)) == 1.0


def test_augmentation_moves_all_points_alike_and_keeps_up(rooms):
    plain = AugmentSettings(tilt_rad=0.0, brightness=0.0, contrast=0.0, color_noise=0.0)
    moved = augment(rooms[0], plain, 0.1, np.random.default_rng(3))
    np.testing.assert_array_equal(moved.instance, rooms[0].instance)
    np.testing.assert_array_equal(moved.cloud.colors, rooms[0].cloud.colors)
    before, after = rooms[0].cloud.points[::500], moved.cloud.points[::500]
    ratio = pdist(after) / pdist(before)
    assert np.ptp(ratio) < 1e-4 and 0.9 <= ratio[0] <= 1.1 and abs(ratio[0] - 1) > 1e-3
    heights = (after[:, 2] - after[0, 2]) / ratio[0]
    np.testing.assert_allclose(heights, before[:, 2] - before[0, 2], atol=1e-4)
    again = augment(rooms[0], plain, 0.1, np.random.default_rng(3))
    np.testing.assert_array_equal(again.cloud.points, moved.cloud.points)


def test_elastic_distortion_is_smooth_and_colors_change_by_little(rooms):
    still = AugmentSettings(flip=0.0, rotation_rad=0.0, tilt_rad=0.0, scale=0.0)
    scene = rooms[0]
    stiff, bent = (
        augment(scene, replace(still, elastic=elastic), 0.1, np.random.default_rng(5))
        for elastic in (0.0, 1.0)
    )
    shift = bent.cloud.points - scene.cloud.points
    shift -= shift.mean(axis=0)
    assert 0.01 < np.abs(shift).max() < 0.5
    neighbors = np.linalg.norm(np.diff(scene.cloud.points, axis=0), axis=1) < 0.03
    assert np.linalg.norm(np.diff(shift, axis=0)[neighbors], axis=1).max() < 0.02
    change = np.abs(stiff.cloud.colors.astype(int) - scene.cloud.colors)
    assert change.max() > 0 and change.mean() < 60


def test_a_huge_scene_is_not_distorted_on_a_huge_grid(rooms):
    cloud = rooms[0].cloud
    stray = replace(cloud, points=np.where(np.arange(len(cloud))[:, None] == 0, np.float32(5000.0),
                                           cloud.points))  # fmt: skip
    with pytest.raises(InputError, match="cells of 0.2 m"):
        augment(replace(rooms[0], cloud=stray), AugmentSettings(elastic=1.0, crop_m=0.0), 0.1,
                np.random.default_rng(0))  # fmt: skip


def test_a_crop_keeps_a_square_of_floor(rooms):
    cut = augment(rooms[0], AugmentSettings(crop_m=1.0, scale=0.0, rotation_rad=0.0, tilt_rad=0.0),
                  0.1, np.random.default_rng(0))  # fmt: skip
    assert 100 <= len(cut.cloud) < len(rooms[0].cloud)
    assert np.ptp(cut.cloud.points[:, :2], axis=0).max() <= 1.001


def test_every_scene_comes_once_an_epoch_and_batches_depend_on_the_step_alone(rooms):
    scenes = [replace(scene, instance=np.full_like(scene.instance, BACKGROUND)) for scene in rooms]
    scenes[1].instance[:] = 0
    sampler = Sampler(scenes, options(schedule__batch_size=2))
    for step in range(3):
        batch = sampler.batch(step)
        assert sorted(int(labels.max()) for labels in batch.labels) == [-1, 0]
        assert torch.bincount(batch.coordinates[:, 0]).tolist() == list(map(len, batch.labels))
    again = Sampler(scenes, options(schedule__batch_size=2)).batch(2)
    assert torch.equal(again.coordinates, batch.coordinates)
    assert torch.equal(again.colors, batch.colors)


def test_small_instances_and_distant_voxels_are_left_out(rooms):
    plain = options(augment__enabled=False)
    labels = Sampler(rooms[:1], plain).batch(0).labels[0]
    counts = torch.bincount(labels[labels >= 0])
    assert len(counts) == 3
    most = int(counts.max())
    few = Sampler(rooms[:1], options(augment__enabled=False, scenes__min_voxels=most)).batch(0)
    assert int(few.labels[0].max()) == 0 and bool((few.labels[0] == VOID).any())
    fine = options(augment__enabled=False, scenes__max_voxels=1500, mask3d__voxel_m=0.05)
    part = Sampler(rooms[:1], fine).batch(0)
    assert len(part.coordinates) == 1500
    assert bool((part.positions.amax(0) - part.positions.amin(0) < 1.9)[:2].any())
    rows = few.rows[0]
    targets = targets_of(few.labels[0], rows)
    assert targets.shape == (1, len(rows)) and int(targets.sum()) == most
    assert torch.equal(rows, torch.nonzero(few.labels[0] != VOID).squeeze(1))


def test_masks_are_compared_at_voxels_drawn_anew_in_each_step(rooms, tmp_path):
    settings = options(augment__enabled=False, loss__max_voxels=200, schedule__batch_size=2)
    sampler = Sampler(rooms, settings)
    first, second = sampler.batch(0), sampler.batch(1)
    for batch in (first, second):
        for rows, labels in zip(batch.rows, batch.labels, strict=True):
            assert len(rows) == 200 and bool((rows.diff() > 0).all())
            assert not bool((labels[rows] == VOID).any())
    assert not torch.equal(first.rows[0], first.rows[1])
    assert not torch.equal(first.rows[0], second.rows[0])
    assert torch.equal(first.rows[0], Sampler(rooms, settings).batch(0).rows[0])
    whole = Sampler(rooms, replace(settings, loss=LossSettings())).batch(0)
    trainer = Trainer(rooms, rooms, settings, tmp_path)
    assert torch.equal(whole.coordinates, first.coordinates)
    few, all_ = (float(trainer.loss(batch).detach()) for batch in (first, whole))
    assert few == pytest.approx(all_, rel=0.1)


def test_a_scene_too_small_to_normalize_over_is_refused(rooms):
    corner = rooms[0].select(rooms[0].cloud.points.max(axis=1) < 0.2)
    with pytest.raises(InputError, match="larger than 16 voxels"):
        Sampler([corner], options(augment__enabled=False)).batch(0)


def test_one_step_lowers_the_loss(rooms, tmp_path):
    trainer = Trainer(
        rooms, rooms, options(schedule__steps=1, schedule__warmup=0.0), tmp_path, names=["a"]
    )
    batch = Sampler(rooms, options()).batch(0)
    before = float(trainer.loss(batch).detach())
    trainer.train(Job())
    assert float(trainer.loss(batch).detach()) < before - 0.1


def test_statistics_of_normalization_are_frozen_in_the_last_steps(rooms, tmp_path):
    trainer = Trainer(rooms, rooms, options(schedule__frozen_norm=0.5), tmp_path)
    norm = trainer.network.backbone.bn0.bn
    means: dict[int, torch.Tensor] = {}

    def keep(stage: str, done: int, total: int) -> None:
        if stage == "train":
            means[done] = norm.running_mean.clone()

    trainer.train(Job(keep))
    changed = [not torch.equal(means[step], means[step + 1]) for step in range(4)]
    assert changed == [True, True, False, False]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_gives_nearly_the_same_loss(rooms, tmp_path, precision):
    batch = Sampler(rooms, options()).batch(0)
    full = float(Trainer(rooms, rooms, options(), tmp_path).loss(batch).detach())
    settings = options(schedule__precision=precision, schedule__steps=8)
    mixed = Trainer(rooms, rooms, settings, tmp_path)
    assert float(mixed.loss(batch).detach()) == pytest.approx(full, rel=0.03)
    before = {k: v.clone() for k, v in mixed.network.named_parameters()}
    mixed.train(Job())
    assert all(v.dtype is torch.float32 for v in mixed.network.parameters())
    moved = [k for k, v in mixed.network.named_parameters() if not torch.equal(v, before[k])]
    assert any(name.startswith("backbone.block4") for name in moved)


def test_a_resumed_run_is_bit_equal(rooms, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    Trainer(rooms, rooms, options(), whole, names=["a", "b"]).train(Job())

    steps: list[int] = []
    job = Job(lambda stage, done, total: steps.append(done) if stage == "train" else None,
              lambda: len(steps) == 3)  # fmt: skip
    with pytest.raises(CanceledError):
        Trainer(rooms, rooms, options(), parts, names=["a", "b"]).train(job)
    stopped = load_file(parts / STATE)
    resumed = Trainer(rooms, rooms, options(), parts, resume=True, names=["a", "b"])
    assert resumed.progress.step == 3
    resumed.train(Job())

    first, second = load_file(whole / STATE), load_file(parts / STATE)
    assert first.keys() == second.keys() and any(k.startswith("optimizer.exp_avg.") for k in first)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], stopped[name]) for name in first)
    for name in (BEST, LAST, METRICS):
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    assert [r["step"] for r in json.loads((whole / METRICS).read_text())] == [2, 4]


def test_a_published_network_keeps_its_classes_and_the_best_weights_propose(rooms, tmp_path):
    backbone = options().network.config(2).backbone
    torch.manual_seed(0)
    source = tmp_path / "published.safetensors"
    save_weights(Mask3D(NetworkConfig(backbone, 16, 2, 16, n_classes=201)), source)
    out = tmp_path / "out"
    out.mkdir()
    trainer = Trainer(rooms, rooms, options(mask3d__checkpoint=str(source)), out)
    trainer.train(Job())
    tuned = load_network(out / BEST, 2)
    assert tuned.config.n_classes == 201
    assert not torch.equal(tuned.mask_features_head.kernel,
                           load_network(source, 2).mask_features_head.kernel)  # fmt: skip
    proposer = Mask3DProposer(
        Mask3DSettings(str(out / BEST), num_heads=2, voxel_m=0.1, num_queries=6, min_score=0.0,
                       min_voxels=1, device="cpu")
    )  # fmt: skip
    masks = proposer.propose(rooms[0].cloud, Job(), np.array([0.0, 0.0, 1.0]))
    assert masks.n_points == len(rooms[0].cloud)


def test_divergence_is_an_error_and_leaves_the_last_state(rooms, tmp_path):
    trainer = Trainer(rooms, rooms, options(), tmp_path)
    trainer.save()
    kept = (tmp_path / STATE).read_bytes()
    with torch.no_grad():
        trainer.network.mask_features_head.bias.fill_(math.nan)
    with pytest.raises(ModelError, match="step 0: training diverged.*learning_rate"):
        trainer.train(Job())
    assert (tmp_path / STATE).read_bytes() == kept


def test_damaged_and_foreign_states_are_refused(rooms, tmp_path):
    def resume(**changes: object) -> Trainer:
        names = changes.pop("names", ["a"])
        return Trainer(rooms, rooms, options(**changes), tmp_path, resume=True, names=names)

    state = tmp_path / STATE
    with pytest.raises(ModelError, match="no file"):
        resume()
    trainer = Trainer(rooms, rooms, options(), tmp_path, names=["a"])
    trainer.save()
    assert resume(schedule__evaluate_every=3).progress.step == 0
    with pytest.raises(SettingsError, match=r"schedule\.seed \(was 0, now 5\)"):
        resume(schedule__seed=5)
    with pytest.raises(SettingsError, match="scenes of the saved run"):
        resume(names=["a", "b"])
    content = state.read_bytes()
    for damaged in (b"", content[:1000], content[: len(content) // 2], b"\xff" * 64):
        state.write_bytes(damaged)
        with pytest.raises(ModelError, match="expected the state of a training run"):
            resume()
    fp16 = options(schedule__precision="fp16")
    scaled = Trainer(rooms, rooms, fp16, tmp_path, names=["a"])
    scaled.save()
    assert resume(schedule__precision="fp16").progress.scaler["scale"] == 65536.0
    scaled.progress.scaler = {"scale": "much"}
    save_state(state, scaled.network, torch.optim.AdamW([torch.zeros(1)]), scaled.progress)
    with pytest.raises(ModelError, match="state of loss scaling"):
        resume(schedule__precision="fp16")
    trainer.progress.history.append({"ap50": 1.0})
    trainer.save()
    with pytest.raises(ModelError, match="evaluations that name their step"):
        resume()
    save_weights(trainer.network, state)
    with pytest.raises(ModelError, match="om3d-training-1"):
        resume()


def write_synth(folder: Path) -> Path:
    """A scene of the layout of ``om3d synth``: frames and labeled points."""
    write_folder(folder, tabletop(8, 160, 120))
    points, _, solid = surface()
    np.savez(folder / "ground_truth.npz", points=points, instance=solid.astype(np.uint16))
    entries = [
        {"id": i, "class": name, "structure": name == "floor"}
        for i, name in enumerate(("floor", "table", "red", "green"))
    ]
    (folder / "scene.json").write_text(json.dumps({"instances": entries}))
    return folder


@pytest.fixture(scope="module")
def synth(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("synth")
    write_synth(root / "one")
    return root


def test_synthetic_scenes_are_fused_and_labeled(synth, tmp_path):
    folders = find_scenes(synth)
    assert [(f.name, f.layout) for f in folders] == [("one", "synth")]
    assert find_scenes(synth / "one")[0].name == "one"
    scenes = SceneSet(folders, FusionSettings(voxel_m=0.02), tmp_path / "cache")
    scene = scenes[0]
    strongest = np.sort(scene.cloud.colors.astype(int), axis=1)
    vivid = strongest[:, 2] - strongest[:, 1] > 60
    channel = scene.cloud.colors.argmax(axis=1)
    for color, label in ((0, 1), (1, 2), (2, VOID)):
        labels = scene.instance[vivid & (channel == color)]
        assert len(labels) > 50 and (labels == label).mean() > 0.8
    floor = scene.cloud.points[:, 2] < 0.005
    assert (scene.instance[floor & (scene.instance != VOID)] == BACKGROUND).all()
    masks = scene.masks()
    assert masks.structure.tolist() == [True, False, False, False]
    kept = SceneSet(folders, FusionSettings(), tmp_path / "cache")[0]
    np.testing.assert_array_equal(kept.cloud.points, scene.cloud.points)
    (tmp_path / "cache" / "one.safetensors").write_bytes(b"no scene")
    with pytest.raises(SourceError, match=r"one\.safetensors"):
        SceneSet(folders, FusionSettings(), tmp_path / "cache")[0]


def test_scans_of_scannetpp_need_no_frames(tmp_path):
    scans = write_scannetpp(tmp_path) / "scans"
    (scene,) = SceneSet(find_scenes(tmp_path), FusionSettings(), tmp_path / "cache")
    (kept,) = SceneSet(find_scenes(tmp_path), FusionSettings(), tmp_path / "cache")
    np.testing.assert_array_equal(kept.cloud.segments, scene.cloud.segments)
    _, _, solid = surface()
    assert scene.name == "7b6477cb95" and len(scene.cloud) == len(solid)
    assert (scene.instance[solid == 0] == BACKGROUND).all()
    objects = scene.instance[solid > 0]
    assert len(np.unique(objects)) == 4 and objects.min() >= 0
    for number in range(1, 5):
        assert len(np.unique(scene.instance[solid == number])) == 1
    groups = json.loads((scans / "segments_anno.json").read_text())
    groups["segGroups"][2]["label"] = "REMOVE"
    (scans / "segments_anno.json").write_text(json.dumps(groups))
    without = SceneSet(find_scenes(tmp_path), FusionSettings())[0]
    assert (without.instance[solid == 2] == VOID).all()
    assert (without.instance[solid == 3] >= 0).all()
    (scans / "segments.json").write_text('{"segIndices": [1, 2]}')
    with pytest.raises(SourceError, match="expected segments of"):
        SceneSet(find_scenes(tmp_path), FusionSettings())[0]
    (scans / "segments.json").unlink()
    with pytest.raises(SourceError, match=r"segments\.json"):
        SceneSet(find_scenes(tmp_path), FusionSettings())[0]


def test_hostile_scenes_are_typed(rooms, tmp_path):
    with pytest.raises(SourceError, match="expected scenes of om3d synth"):
        find_scenes(tmp_path)
    with pytest.raises(SourceError, match="expected a folder"):
        find_scenes(tmp_path / "none")
    scene = rooms[0]
    with pytest.raises(InputError, match="instance of shape"):
        LabeledScene("x", scene.cloud, scene.instance[:-1])
    with pytest.raises(InputError, match="instances of -2 and up"):
        LabeledScene("x", scene.cloud, scene.instance - 5)
    with pytest.raises(InputError, match="points in scene x"):
        scene = LabeledScene("x", scene.cloud, scene.instance)
        scene.select(np.zeros(len(scene.cloud), bool))
    with pytest.raises(InputError, match="at least one scene"):
        Sampler([], options())
    with pytest.raises(InputError, match="multiple of 2 heads"):
        options(network__dim=17).network.config(2)


def test_the_command_trains_resumes_and_names_its_result(synth, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["train-proposals", str(synth), "-o", str(out), *FLAGS, "--fusion.voxel_m", "0.02"]
    assert om3d(arguments) == 0
    assert str(out / BEST) in capsys.readouterr().out
    assert load_network(out / BEST, 2).config.n_classes == 2
    assert om3d(arguments) == 2 and "--resume" in capsys.readouterr().err
    assert om3d([*arguments, "--resume"]) == 0
    assert om3d([*arguments, "--resume", "--schedule.seed", "1"]) == 2
    assert "schedule.seed" in capsys.readouterr().err
    other = ["train-proposals", str(synth), "-o", str(tmp_path / "other"), *FLAGS]
    assert om3d([*other, "--val", "nowhere"]) == 2
    assert "expected scenes among one" in capsys.readouterr().err
    assert om3d([*other, "--resume"]) == 2 and "started run" in capsys.readouterr().err
    assert om3d([*other, "--mask3d.checkpoint", str(tmp_path / "no.ckpt")]) == 2
    assert "no.ckpt" in capsys.readouterr().err
    (tmp_path / "names.txt").write_text("one\n")
    lists = ["--train", str(tmp_path / "names.txt"), "--val", "one"]
    assert om3d([*other, *lists, "--schedule.steps", "1", "--fusion.voxel_m", "0.02"]) == 0


def test_an_interrupt_leaves_a_state_to_go_on_from(synth, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "om3d_core.cli", "train-proposals", str(synth),
               "-o", str(out), *FLAGS, "--fusion.voxel_m", "0.02",
               "--schedule.steps", "100000"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 200
        while not (out / STATE).is_file():
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in stderr, stderr
    tensors = load_file(out / STATE)
    assert any(name.startswith("optimizer.step.") for name in tensors)
    assert {*map(str, out.iterdir())} >= {str(out / STATE), str(out / LAST)}


def test_settings_are_flags_with_a_description():
    values = values_of(TrainSettings())
    assert {"mask3d.checkpoint", "loss.mask", "augment.flip", "schedule.precision"} <= set(values)
    with pytest.raises(SettingsError, match="expected one of bce, focal"):
        options(loss__mask="hinge")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_network_learns_four_rooms_by_heart(tmp_path):
    """Class-agnostic AP50 of at least 0.9 on the very rooms that it was trained on."""
    rooms = [room(seed) for seed in range(4)]
    settings = build(TrainSettings, {
        "mask3d.voxel_m": 0.06, "mask3d.num_queries": 24, "mask3d.num_heads": 4,
        "mask3d.device": "cpu", "network.channels": 8, "network.max_units": 1, "network.dim": 64,
        "network.feed_forward": 128, "augment.enabled": False, "schedule.batch_size": 4,
        "schedule.steps": 200, "schedule.learning_rate": 3e-3, "schedule.evaluate_every": 200,
    })  # fmt: skip
    records: list[dict] = []
    Trainer(rooms, rooms, settings, tmp_path).train(Job(), records.append)
    print(records[-1])
    assert records[-1]["n_gt"] == 24
    assert records[-1]["ap50"] >= 0.9

"""The measures on a small scene: what is counted is what happened."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from helpers.doubles import ColorEncoder
from helpers.worlds import BOXES

from om3d_core.bench import (
    crops,
    growth,
    query,
    scoring,
    sparse_network,
    views,
    whole_map,
    workbench,
)
from om3d_core.bench.clock import StageClock, best_of
from om3d_core.bench.query import Widened, large_scene, questions
from om3d_core.bench.rows import FAIL, PASS, CannotMeasureError
from om3d_core.bench.workbench import SceneChoice, Workbench, spread
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.errors import ModelError
from om3d_core.progress import Job
from om3d_core.query.scene_query import SceneQuery
from om3d_core.sources.settings import SourceSettings
from om3d_core.sparse.backend import TorchBackend
from om3d_core.synthetic import SynthSettings


@pytest.fixture
def one_thread():
    """Tiny networks on one thread: threads that wait for each other take longer than the sums."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_frames_are_the_first_ones_and_their_duration_counts_the_last(scene):
    bench = Workbench(SceneChoice(scene, max_frames=4), Job(), scene)
    assert [f.stamp_ns for f in bench.frames] == sorted(f.stamp_ns for f in bench.frames)
    assert len(bench.frames) == 4 and bench.duration_s == pytest.approx(4 / 30)
    assert [f.stamp_ns for f in spread(bench.frames, 2)] == [
        bench.frames[0].stamp_ns, bench.frames[-1].stamp_ns
    ]


def test_a_room_that_cannot_be_rendered_is_told(tmp_path, monkeypatch):
    def missing(*_):
        raise ModelError("expected the packaged objects")

    monkeypatch.setattr(workbench, "synthesize", missing)
    with pytest.raises(CannotMeasureError, match="rendered: expected the packaged objects"):
        assert Workbench(SceneChoice(), Job(), tmp_path).scene_path


def test_a_room_is_rendered_where_no_scene_is_given(tmp_path):
    room = SynthSettings(n_frames=2, width=64, height=48)
    bench = Workbench(SceneChoice(room=room), Job(), tmp_path)
    assert [frame.depth.shape for frame in bench.frames] == [(48, 64)] * 2
    assert bench.scene_path.is_relative_to(tmp_path)


def test_choices_are_compared_and_timed(small_bench, monkeypatch):
    monkeypatch.setattr(views, "CHOICE_POINTS", 4000)
    row = views.choices(small_bench)
    details = row.to_json()["details"]
    assert row.value == pytest.approx(details["original_s"] / details["ours_s"])
    assert row.checks[1].value < 60 and row.checks[2].value >= 1
    assert details["reserved_by_the_original_mb"] == pytest.approx(12 * 60 * 160 * 120 / 1e6)


def test_visibility_is_timed_at_every_step(small_bench, monkeypatch):
    monkeypatch.setattr(views, "POINTS", 4000)
    monkeypatch.setattr(views, "POINT_STEPS", (1000, 2000, 4000, 8000, 16_000))
    monkeypatch.setattr(views, "INSTANCES", 20)
    monkeypatch.setattr(views, "INSTANCE_STEPS", (10, 20, 40, 80, 160))
    row = views.visibility(small_bench)
    details = row.to_json()["details"]
    assert row.value == pytest.approx(details["plain_ms"] / details["ours_ms"])
    assert details["pixels"] > 500 >= 100 * details["pixels_that_differ"]
    assert [n for n, _ in details["ms_by_points"]] == [1000, 2000, 4000, 8000, 16_000]
    assert len(small_bench.curves) == 2


def test_crops_stay_within_the_bound_of_a_heap(small_bench):
    row = crops.streaming(small_bench)
    details = row.details
    k, levels = small_bench.settings.views.top_k, small_bench.settings.crops.levels
    most = details["instances"] * k * (1 + math.log(12 / k)) * levels
    least = details["instances"] * levels
    assert least < details["bound"] <= most and least < details["crops"]
    assert row.value == details["crops"] / details["bound"]
    assert small_bench.encoders[0].n_crops >= details["crops"]


def test_the_pipeline_is_slower_than_the_encoder_alone(small_bench):
    row = crops.throughput(small_bench)
    assert 0 < row.value and len(row.details["crops_a_second_inside_and_alone"]) == 3


def test_sam_encodes_each_frame_once(small_bench, one_thread, monkeypatch):
    monkeypatch.setattr(crops, "SAM_FRAMES", 2)
    row = crops.segmenting(small_bench)
    assert row.verdict == PASS and row.value == 1.0
    assert row.details["encodings"] == row.details["frames"] == crops.SAM_FRAMES
    assert row.details["encodings_of_the_original"] > row.details["encodings"]


def test_growth_counts_crops_and_ids(small_bench, monkeypatch):
    monkeypatch.setattr(growth, "EVERY", 4)
    anew, ids = growth.crops_anew(small_bench), growth.stable_ids(small_bench)
    once = small_bench.batch[1].crops
    assert anew.details["crops_of_a_batch_run"] == once > 0
    assert anew.value == anew.details["crops"] / once >= 1
    assert ids.value == 100 and ids.details["still_there"] == 2 * len(BOXES)
    assert ids.checks[1].value == (len(BOXES) + 1) / len(BOXES)
    assert len(ids.details["seconds_of_refreshes"]) == 3
    (curve,) = small_bench.curves.values()
    assert [x for x, _ in curve["om3d"]] == [4, 8, 12]


def test_ids_that_do_not_stay_fail(small_bench, monkeypatch):
    monkeypatch.setattr(growth, "EVERY", 4)
    monkeypatch.setattr(growth, "ids_kept", lambda *_: (10, 9))
    assert growth.stable_ids(small_bench).value == 90
    assert growth.stable_ids(small_bench).verdict == FAIL


def test_rooms_of_a_corridor_lie_along_x_and_come_one_after_another(small_bench):
    first, third = (growth._room(small_bench, n) for n in (1, 3))
    offsets = {
        tuple(np.round(b.map_from_camera[:3, 3] - a.map_from_camera[:3, 3], 6).tolist())
        for a, b in zip(first, third, strict=True)
    }
    ((x, y, z),) = offsets
    low, high = small_bench.batch[0].cloud.bounds()
    assert x >= 2 * max(growth.LEAST_SHIFT_M, float(high[0] - low[0])) - 1e-4 and y == z == 0
    assert first[-1].stamp_ns < growth._room(small_bench, 2)[0].stamp_ns < third[0].stamp_ns
    assert np.array_equal(first[2].depth, third[2].depth)


def test_a_refresh_in_each_room_is_compared_with_room_2(small_bench, monkeypatch):
    monkeypatch.setattr(growth, "ROOMS", 4)
    monkeypatch.setattr(growth, "ROOM_FRAMES", 4)
    row = growth.farther(small_bench)
    cpu = row.details["cpu_s_by_room"]
    assert len(cpu) == 4 and row.value == max(cpu[2:]) / cpu[1]


def test_entering_a_room_is_compared_with_a_batch_run(small_bench, monkeypatch):
    monkeypatch.setattr(growth, "ENTERED", 2)
    monkeypatch.setattr(growth, "NEW_KEYFRAMES", 3)
    row = growth.entering(small_bench)
    assert row.value == pytest.approx(np.divide(*row.details["corridor_cpu_s"]))
    assert row.checks[1].value == pytest.approx(np.divide(*row.details["scene_cpu_s"]))


def test_a_scene_with_few_keyframes_is_told(small_bench):
    with pytest.raises(CannotMeasureError, match="has only 12 keyframes"):
        growth.entering(small_bench)


def test_a_large_scene_is_searched(monkeypatch):
    encoder = Widened(ColorEncoder(), 8)
    scene = large_scene(50, 3, encoder.space)
    answer = SceneQuery(scene, encoder).text("red")
    rows = scene.features[0].vectors.mean(axis=1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert answer.matches[0].index == int(rows[:, 0].argmax())
    assert len(set(questions())) == query.TEXTS
    assert encoder.space == FeatureSpace("color@1-8", 8, text=True, image=False)


def test_a_process_maps_the_clip_and_tells_its_memory(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(whole_map, "PASSES", 2)
    choice = SceneChoice(scene, SourceSettings(), max_frames=3)
    bench = Workbench(choice, Job(), tmp_path)
    row, peak = whole_map.duration(bench), whole_map.memory(bench)
    details = row.details
    assert details["frames"] == details["keyframes"] == 3
    assert row.value == pytest.approx(details["seconds"] / (3 / 30))
    assert sum(bench.profile.values()) == pytest.approx(details["seconds"])
    assert {"fuse", "masks", "views", "encode", "save"} <= set(bench.profile)
    assert (tmp_path / "map" / "map.json").is_file()
    assert 0.1 < peak.value < 4 and len(peak.details["held_gb_after_each_pass"]) == 2


def test_the_memory_of_the_mapping_process_is_not_that_of_who_starts_it(
    scene, tmp_path, monkeypatch
):
    monkeypatch.setattr(whole_map, "PASSES", 2)
    held = np.ones(1_500_000_000, np.uint8)
    bench = Workbench(SceneChoice(scene, max_frames=2), Job(), tmp_path)
    assert whole_map.memory(bench).value < 1.2 and held.all()


def test_a_mapping_process_that_fails_is_told(tmp_path):
    bench = Workbench(SceneChoice(tmp_path), Job(), tmp_path)
    with pytest.raises(CannotMeasureError, match="ended: .*found an empty folder|ended: "):
        whole_map.mapped(bench)


def test_ap_is_that_of_the_published_loop(small_bench, monkeypatch):
    monkeypatch.setattr(scoring, "POINTS", 4000)
    monkeypatch.setattr(scoring, "SCENES", 1)
    monkeypatch.setattr(scoring, "ROUNDS", 1)
    monkeypatch.setattr(scoring, "TRUE", 8)
    monkeypatch.setattr(scoring, "PREDICTED", 10)
    row = scoring.scoring(small_bench)
    assert row.checks[1].value <= 1e-9 and row.details["classes"] == 1659


def test_the_best_of_turns(monkeypatch):
    order = []
    times = best_of(Job(), "turns", 3, lambda: order.append("a"), lambda: order.append("b"))
    assert order == ["a", "b"] * 4 and all(0 <= t < 1 for t in times)


def test_stages_add_up_and_end():
    clock = StageClock(lambda *_: None)
    for stage in ("fuse", "encode", "fuse"):
        clock(stage, 0, 1)
    clock.stop()
    seconds = dict(clock.seconds)
    assert set(seconds) == {"fuse", "encode"} and min(seconds.values()) >= 0
    clock.stop()
    assert clock.seconds == seconds


def test_two_backends_of_one_network_are_compared(small_bench, one_thread, monkeypatch):
    monkeypatch.setattr(sparse_network, "VOXELS", 1500)
    monkeypatch.setattr(sparse_network, "ROUNDS", 1)
    monkeypatch.setattr("om3d_core.sparse.backend.create_backend", lambda _: TorchBackend())
    row = sparse_network.convolving(small_bench)
    assert row.checks[1].value == 0 and 0.1 < row.value < 10


def test_without_minkowski_engine_it_is_told(small_bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "MinkowskiEngine", None)
    with pytest.raises(CannotMeasureError, match="needs MinkowskiEngine"):
        sparse_network.convolving(small_bench)

"""Mask3D's sampling, splitting and ranking, and its proposers from checkpoint to masks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.torch import save_file
from sklearn.cluster import DBSCAN

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks, iou_matrix
from om3d_core.errors import CanceledError, InputError, ModelError
from om3d_core.progress import Job
from om3d_core.proposals import REGISTRY
from om3d_core.proposals.mask3d import Mask3DProposer, Mask3DSettings
from om3d_core.proposals.mask3d.backbone import BackboneConfig
from om3d_core.proposals.mask3d.components import connected_components
from om3d_core.proposals.mask3d.fps import furthest_points
from om3d_core.proposals.mask3d.network import Mask3D, NetworkConfig
from om3d_core.proposals.mask3d.postprocess import (
    Parts,
    class_probabilities,
    rank_pairs,
    rank_parts,
    split_masks,
    to_points,
)
from om3d_core.proposals.mask3d.voxelize import COLOR_MEAN, network_colors, voxelize
from om3d_core.proposals.segment3d import Segment3DProposer, Segment3DSettings

SMALL = BackboneConfig(
    stem=8, planes=(8, 8, 16, 16, 16, 16, 8, 8), depths=(1, 1, 1, 1, 1, 1, 1, 1), n_labels=20
)
PEAK_GB = 6.0


def small_network(n_classes: int = 5) -> Mask3D:
    """Random weights, scaled so that queries at different places differ."""
    torch.manual_seed(1)
    network = Mask3D(
        NetworkConfig(SMALL, dim=16, n_heads=2, feed_forward=32, n_classes=n_classes)
    )
    with torch.no_grad():
        for layer in network.query_projection.layers[::2]:
            layer.weight.mul_(6.0)
        for i in range(4):
            network.cross_attention[0][i].multihead_attn.in_proj_weight.mul_(2.0)
            network.self_attention[0][i].self_attn.in_proj_weight.mul_(2.0)
        network.mask_embed_head[2].weight.mul_(8.0)
        network.class_embed_head.weight.mul_(8.0)
    return network.eval()


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    """Four boxes on a floor, 2 cm apart points; colors differ from box to box."""
    rng = np.random.default_rng(0)
    floor = np.stack([rng.uniform(0, 2, 4000), rng.uniform(0, 2, 4000), np.zeros(4000)], axis=1)
    points, colors = [floor], [np.full((4000, 3), 120)]
    for i in range(4):
        corner = np.array([0.3 + i % 2, 0.3 + i // 2, 0.02])
        points.append(corner + rng.uniform(0, 0.3, (1200, 3)))
        colors.append(np.tile(rng.integers(0, 255, 3), (1200, 1)))
    xyz = np.concatenate(points).astype(np.float32)
    return Cloud(xyz, np.concatenate(colors).astype(np.uint8), np.zeros_like(xyz))


# --- sampling ------------------------------------------------------------------------------------


def kernel_sampling(points: npt.NDArray[np.float32], n_samples: int) -> list[int]:
    """The pointnet2 kernel, thread by thread: strided scans, then a tree of pairwise choices."""
    n_threads = min(1 << int(np.log2(len(points))), 512)
    nearest = np.full(len(points), 1e10, np.float32)
    chosen = [0]
    for _ in range(n_samples - 1):
        best = [(-1.0, 0)] * n_threads
        for thread in range(n_threads):
            for k in range(thread, len(points), n_threads):
                if (points[k] ** 2).sum() <= np.float32(1e-3):
                    continue
                distance = ((points[k] - points[chosen[-1]]) ** 2).sum()
                nearest[k] = min(distance, nearest[k])
                if nearest[k] > best[thread][0]:
                    best[thread] = (nearest[k], k)
        half = n_threads // 2
        while half:
            for thread in range(half):
                if best[thread + half][0] > best[thread][0]:
                    best[thread] = best[thread + half]
            half //= 2
        chosen.append(best[0][1])
    return chosen


@settings(max_examples=40, deadline=None)
@given(
    points=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=st.integers(-2, 2)
    ),
    n_samples=st.integers(1, 12),
)
def test_sampling_breaks_ties_as_the_kernel(
    points: npt.NDArray[np.float32], n_samples: int
) -> None:
    expected = kernel_sampling(points, n_samples)
    assert furthest_points(points, n_samples, "cuda").tolist() == expected


def test_sampling_rules_differ_at_the_origin_and_in_ties() -> None:
    points = np.array([[1, 0, 0], [9, 0, 0], [-7, 0, 0], [-7, 0, 0], [5, 0, 0]])
    assert furthest_points(points, 3, "first").tolist() == [0, 1, 2]
    square = np.array([[0, 0, 0], [1, 1, 0], [-1, 1, 0], [1, -1, 0]])
    assert furthest_points(square, 3, "first").tolist() == [0, 1, 2]
    assert furthest_points(square, 3, "cuda").tolist() == [0, 2, 1]
    near = np.array([[3, 0, 0], [0, 0, 0], [3, 1, 0]])
    assert furthest_points(near, 2, "first").tolist() == [0, 1]
    assert furthest_points(near, 2, "cuda").tolist() == [0, 2]


# --- voxels and colors ---------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    points=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-1, 1, width=32)
    )
)
def test_a_voxel_is_its_first_point(points: npt.NDArray[np.float32]) -> None:
    voxels = voxelize(points, 0.25)
    cells = [tuple(np.floor(p.astype(np.float64) / 0.25).astype(int)) for p in points]
    order = list(dict.fromkeys(cells))
    assert [tuple(cell) for cell in voxels.cells] == order
    assert voxels.first.tolist() == [cells.index(cell) for cell in order]
    assert voxels.inverse.tolist() == [order.index(cell) for cell in cells]


def test_colors_as_in_training_or_not() -> None:
    colors = np.array([[0, 128, 255]], np.uint8)
    np.testing.assert_allclose(network_colors(colors, "unit"), [[0, 128 / 255, 1]], rtol=1e-6)
    mean = np.rint(np.array([COLOR_MEAN]) * 255).astype(np.uint8)
    assert np.abs(network_colors(mean, "dataset")).max() < 0.01


def test_points_beyond_the_grid() -> None:
    with pytest.raises(InputError, match="of the origin"):
        voxelize(np.array([[1e9, 0, 0]]), 0.02)


# --- parts and their order -----------------------------------------------------------------------

reaches = st.sampled_from([0.3, 0.95, 2.0])
positions = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 60), st.just(3)), elements=st.floats(-3, 3)
)


@settings(max_examples=150, deadline=None)
@given(points=positions, reach_m=reaches)
def test_components_are_those_of_dbscan(
    points: npt.NDArray[np.float64], reach_m: float
) -> None:
    expected = DBSCAN(eps=reach_m, min_samples=1).fit_predict(points)
    np.testing.assert_array_equal(connected_components(points, reach_m), expected)


def test_components_of_a_dense_scene() -> None:
    rng = np.random.default_rng(3)
    centers = rng.uniform(0, 12, (40, 3))
    points = (centers[rng.integers(0, 40, 4000)] + rng.normal(0, 0.1, (4000, 3))).astype(
        np.float32
    )
    labels = connected_components(points, 0.95)
    expected = DBSCAN(eps=0.95, min_samples=1).fit_predict(points.astype(np.float64))
    assert 1 < labels.max() + 1 < 40
    np.testing.assert_array_equal(labels, expected)


def two_part_logits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Query 0 holds voxels 0, 1 and, 5 m away, 3; query 1 is empty; query 2 holds voxel 2."""
    logits = np.full((4, 3), -2.0, np.float32)
    logits[[0, 1, 3], 0] = [1.0, 3.0, 2.0]
    logits[2, 2] = 0.5
    xyz = np.array([[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [5, 0, 0]], np.float32)
    return logits, xyz


def test_masks_are_split_into_parts() -> None:
    parts = split_masks(*two_part_logits(), 0.95)
    assert [v.tolist() for v in parts.voxels] == [[0, 1], [3], [2]]
    assert parts.queries.tolist() == [0, 0, 2]
    sigmoid = 1 / (1 + np.exp(-np.array([1.0, 3.0, 2.0, 0.5])))
    expected = [sigmoid[:2].mean(), sigmoid[2], sigmoid[3]]
    np.testing.assert_allclose(parts.quality, expected, atol=1e-5)
    assert len(split_masks(*two_part_logits(), 0.95, min_voxels=2)) == 1
    assert len(split_masks(*two_part_logits(), 0.95, min_samples=2)) == 1


def test_no_mask_at_all() -> None:
    logits, xyz = two_part_logits()
    parts = split_masks(-np.abs(logits), xyz, 0.95)
    probabilities = class_probabilities(np.zeros((3, 4), np.float32))
    assert len(parts) == 0
    assert len(rank_pairs(parts, probabilities).parts) == 0
    assert len(rank_parts(parts, probabilities).parts) == 0


def test_pairs_repeat_parts_and_parts_do_not() -> None:
    parts = Parts(
        [np.arange(3), np.arange(3, 6)], np.array([0, 1]), np.array([0.5, 1.0], np.float32)
    )
    probabilities = np.array([[0.45, 0.4, 0.1, 0.05], [0.2, 0.1, 0.1, 0.6]], np.float32)
    pairs = rank_pairs(parts, probabilities)
    assert pairs.parts.tolist() == [0, 0] and pairs.classes.tolist() == [0, 1]
    np.testing.assert_allclose(pairs.scores, [0.225, 0.2], rtol=1e-6)
    each = rank_parts(parts, probabilities)
    assert each.parts.tolist() == [0, 1] and each.classes.tolist() == [0, 0]
    np.testing.assert_allclose(each.scores, [0.475, 0.4], rtol=1e-6)


def test_one_class_makes_no_difference() -> None:
    rng = np.random.default_rng(0)
    parts = Parts(
        [np.arange(i, i + 1) for i in range(9)], rng.integers(0, 4, 9),
        rng.uniform(0, 1, 9).astype(np.float32),
    )
    probabilities = class_probabilities(rng.normal(size=(4, 2)).astype(np.float32))
    pairs, each = rank_pairs(parts, probabilities), rank_parts(parts, probabilities)
    assert pairs.parts.tolist() == each.parts.tolist()
    np.testing.assert_allclose(pairs.scores, each.scores, rtol=1e-5)


def test_segments_vote() -> None:
    inverse = np.array([0, 0, 1, 1, 2, 2])
    voxels = np.array([0, 2])
    assert to_points(voxels, inverse, 3).tolist() == [0, 1, 4, 5]
    votes = np.array([0, 0, 0, 1, 1, 1])
    assert to_points(voxels, inverse, 3, votes).tolist() == [0, 1, 2, 3, 4, 5]
    half = np.array([0, 0, 0, 0, 1, 1])
    assert to_points(voxels, inverse, 3, half).tolist() == [4, 5]


# --- the network ---------------------------------------------------------------------------------


def test_scenes_of_a_batch_do_not_mix(cloud: Cloud) -> None:
    network = small_network()
    voxels = voxelize(cloud.points, 0.04)
    xyz = torch.from_numpy(cloud.points[voxels.first])
    colors = torch.from_numpy(network_colors(cloud.colors[voxels.first], "dataset"))
    cells = torch.zeros(len(voxels), 4, dtype=torch.int32)
    cells[:, 1:] = torch.from_numpy(voxels.cells)
    n = len(voxels) // 3
    second = cells[n:] + torch.tensor([1, 0, 0, 0], dtype=torch.int32)
    with torch.no_grad():
        both = network(torch.cat([cells[:n], second]), colors, xyz, 6)
        alone = [network(cells[:n], colors[:n], xyz[:n], 6)[0]]
        alone += network(cells[n:], colors[n:], xyz[n:], 6)
    for batched, single in zip(both, alone, strict=True):
        assert torch.equal(batched.query_rows, single.query_rows)
        torch.testing.assert_close(
            batched.final.mask_logits, single.final.mask_logits, rtol=1e-3, atol=1e-3
        )


def test_every_used_weight_learns(cloud: Cloud) -> None:
    network = small_network().train()
    voxels = voxelize(cloud.points, 0.06)
    cells = torch.zeros(len(voxels), 4, dtype=torch.int32)
    cells[:, 1:] = torch.from_numpy(voxels.cells)
    colors = torch.from_numpy(network_colors(cloud.colors[voxels.first], "dataset"))
    (scene,) = network(
        cells, colors, torch.from_numpy(cloud.points[voxels.first]), 6, all_steps=True
    )
    assert len(scene.steps) == 12
    predictions = (*scene.steps, scene.final)
    loss = torch.stack([p.mask_logits.mean() + p.class_logits.mean() for p in predictions]).sum()
    loss.backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None}
    assert idle == {"backbone.final.kernel", "backbone.final.bias"}
    assert all(
        bool(torch.isfinite(p.grad).all())
        for p in network.parameters() if p.grad is not None
    )


def test_half_precision_trains(cloud: Cloud) -> None:
    network = small_network().train()
    voxels = voxelize(cloud.points, 0.06)
    cells = torch.zeros(len(voxels), 4, dtype=torch.int32)
    cells[:, 1:] = torch.from_numpy(voxels.cells)
    xyz = torch.from_numpy(cloud.points[voxels.first])
    colors = torch.from_numpy(network_colors(cloud.colors[voxels.first], "dataset"))
    with torch.autocast("cpu", torch.bfloat16):
        (scene,) = network(cells, colors, xyz, 6)
        encoded = network.pos_enc(xyz, xyz.amin(0), xyz.amax(0))
        loss = scene.final.mask_logits.float().mean()
    assert encoded.dtype == torch.float32
    loss.backward()
    gradient = network.backbone.conv0p1s1.kernel.grad
    assert gradient.dtype == torch.float32 and bool(torch.isfinite(gradient).all())
    assert float(gradient.abs().max()) > 0


# --- proposers -----------------------------------------------------------------------------------

UP = np.array([0.0, 0.0, 1.0])
LENIENT = {"voxel_m": 0.04, "num_queries": 12, "num_heads": 2, "min_score": 0.0, "min_voxels": 1}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(small_network().state_dict(), path)
    return path


def propose(cloud: Cloud, checkpoint: Path, **values: Any) -> InstanceMasks:
    options = Mask3DSettings(checkpoint=str(checkpoint), device="cpu", **{**LENIENT, **values})
    return Mask3DProposer(options).propose(cloud, Job(), UP)


def test_masks_of_a_cloud(cloud: Cloud, checkpoint: Path) -> None:
    masks = propose(cloud, checkpoint, max_overlap=0.7)
    assert len(masks) > 1 and masks.n_points == len(cloud)
    assert bool((masks.sizes > 0).all())
    assert bool((np.diff(masks.scores) <= 0).all())
    assert bool(((masks.scores >= 0) & (masks.scores <= 1)).all())
    overlap = iou_matrix(masks, masks)
    np.fill_diagonal(overlap, 0)
    assert float(overlap.max()) <= 0.7
    again = propose(cloud, checkpoint, max_overlap=0.7)
    np.testing.assert_array_equal(again.indices, masks.indices)
    np.testing.assert_array_equal(again.scores, masks.scores)


def test_the_options_change_the_masks(cloud: Cloud, checkpoint: Path) -> None:
    """Each deviation from the original is one option, and it matters."""
    base: dict[str, Any] = {
        "max_overlap": 1.0, "flag_structure": False, "split_reach_m": 0.06
    }
    masks = propose(cloud, checkpoint, **base)

    def differs(**values: Any) -> bool:
        other = propose(cloud, checkpoint, **{**base, **values})
        return len(other) != len(masks) or not np.array_equal(other.indices, masks.indices)

    assert differs(color_normalization="unit")
    assert differs(num_queries=6)
    assert differs(split_min_samples=4)
    assert differs(sampling="first")
    assert differs(segments="surface")
    assert differs(split_reach_m=0.95)
    assert differs(min_voxels=30)
    assert differs(min_score=float(np.median(masks.scores)))
    assert differs(max_overlap=0.3)
    faithful = propose(cloud, checkpoint, selection="faithful", **base)
    assert len(np.unique(faithful.to_dense(), axis=1).T) < len(faithful)


def test_segments_of_the_data_set_are_kept_whole(cloud: Cloud, checkpoint: Path) -> None:
    segments = np.repeat([7, 40, -2, 9, 1000], [4000, 1200, 1200, 1200, 1200])
    shipped = replace(cloud, segments=segments)
    masks = propose(shipped, checkpoint, segments="dataset")
    assert len(masks) > 0
    for i in range(len(masks)):
        for label in np.unique(segments):
            part = np.isin(np.flatnonzero(segments == label), masks[i])
            assert part.all() or not part.any()
    unused = propose(shipped, checkpoint, segments="none")
    np.testing.assert_array_equal(unused.indices, propose(cloud, checkpoint).indices)
    with pytest.raises(InputError, match=r"mask3d\.segments.*0\.010000\.segs\.json.*none"):
        propose(cloud, checkpoint, segments="dataset")


def test_a_cloud_holds_one_segment_a_point(cloud: Cloud) -> None:
    segments = np.arange(len(cloud))
    every_third = replace(cloud, segments=segments).select(slice(None, None, 3))
    np.testing.assert_array_equal(every_third.segments, segments[::3])
    np.testing.assert_array_equal(every_third.points, cloud.points[::3])
    assert cloud.select(segments[:5]).segments is None
    for wrong in (segments[:-1], segments.astype(float), segments[:, None]):
        with pytest.raises(InputError, match="segments of shape"):
            replace(cloud, segments=wrong)


def test_structure_is_flagged(cloud: Cloud, checkpoint: Path) -> None:
    from om3d_core.proposals.mask3d.surface import flag_structure

    members = [np.arange(4000), np.arange(4000, 5200)]
    flagged = flag_structure(cloud, InstanceMasks.from_lists(members, len(cloud)), UP)
    assert flagged.structure.tolist() == [True, False]


@pytest.mark.parametrize("n_points", [0, 1, 2, 60])
def test_tiny_clouds(checkpoint: Path, n_points: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 0.3, (n_points, 3)).astype(np.float32)
    tiny = Cloud(points, np.zeros((n_points, 3), np.uint8), np.zeros_like(points))
    masks = propose(tiny, checkpoint)
    assert masks.n_points == n_points
    assert bool(np.isfinite(masks.scores).all())


def test_a_cloud_that_is_too_large_is_refused(cloud: Cloud, checkpoint: Path) -> None:
    with pytest.raises(InputError, match="max_voxels"):
        propose(cloud, checkpoint, max_voxels=100)


def test_cancel(cloud: Cloud, checkpoint: Path) -> None:
    options = Mask3DSettings(checkpoint=str(checkpoint), device="cpu", **LENIENT)
    with pytest.raises(CanceledError):
        Mask3DProposer(options).propose(cloud, Job(canceled=lambda: True), UP)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu() -> None:
    with pytest.raises(ModelError, match="GPU"):
        Mask3DProposer(Mask3DSettings(device="cuda"), small_network())


@pytest.mark.parametrize("name", ["mask3d", "segment3d"])
def test_missing_weights_say_what_to_do(name: str, tmp_path: Path) -> None:
    proposer: Callable[..., Any] = REGISTRY.implementation(name)
    options = {"mask3d": Mask3DSettings, "segment3d": Segment3DSettings}[name]
    with pytest.raises(ModelError, match=f"{name}.checkpoint.*no path.*github.com"):
        proposer()
    missing = tmp_path / "none.ckpt"
    with pytest.raises(ModelError, match=f"no file {missing}.*github.com"):
        proposer(options(checkpoint=str(missing)))


def test_segment3d(cloud: Cloud) -> None:
    options = Segment3DSettings(
        voxel_m=0.02, num_queries=8, num_heads=2, min_score=0.0, device="cpu"
    )
    masks = Segment3DProposer(options, small_network(n_classes=2)).propose(cloud, Job(), UP)
    assert masks.n_points == len(cloud)
    assert bool((np.diff(masks.scores) <= 0).all())
    with pytest.raises(ModelError, match="expected a network of 2 classes"):
        Segment3DProposer(options, small_network(n_classes=5))


@pytest.mark.slow
def test_memory_of_a_large_cloud() -> None:
    """The full-size network on 250,000 points, each in a voxel of its own."""
    program = """
import resource
import numpy as np, torch
from om3d_core.data.cloud import Cloud
from om3d_core.progress import Job
from om3d_core.proposals.mask3d import Mask3DProposer, Mask3DSettings
from om3d_core.proposals.mask3d.network import Mask3D
n = 500
x, y = np.meshgrid(np.arange(n), np.arange(n))
z = np.rint(20 * np.sin(x / 40) * np.cos(y / 30))
points = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32) * 0.02 + 0.01
colors = np.random.default_rng(0).integers(0, 256, points.shape, dtype=np.uint8)
cloud = Cloud(points, colors, np.zeros_like(points))
torch.manual_seed(0)
settings = Mask3DSettings(device="cpu", min_score=0.0, max_overlap=1.0)
masks = Mask3DProposer(settings, Mask3D()).propose(cloud, Job(), np.array([0.0, 0.0, 1.0]))
assert masks.n_points == 250_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split()[-1]) < PEAK_GB

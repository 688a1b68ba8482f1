"""The Mask3D network and its post-processing against the original's."""

from __future__ import annotations

import ast
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from om3d_core.proposals.mask3d.backbone import BackboneConfig
from om3d_core.proposals.mask3d.fps import furthest_points
from om3d_core.proposals.mask3d.network import Mask3D, NetworkConfig, SceneOutput
from om3d_core.proposals.mask3d.postprocess import (
    class_probabilities,
    rank_pairs,
    split_masks,
    to_points,
)
from om3d_core.proposals.mask3d.voxelize import voxelize
from parity.kinds import Fixture

Load = Callable[[str], Fixture]
SPLIT_REACH_M = 0.95
MASK_TOLERANCE = {"rtol": 1e-3, "atol": 2e-3}
MAX_FLIPPED_BITS = 1


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("mask3d")


@pytest.fixture(scope="module")
def small_network(load: Load, stored: Fixture) -> Mask3D:
    info = stored.info
    widths = BackboneConfig(
        stem=info["init_dim"],
        planes=tuple(info["planes"]),
        depths=tuple(info["layers"]),
        n_labels=info["config"]["config"]["backbone"]["out_channels"],
    )
    network = Mask3D(network_config(info["config"], widths))
    weights = load("mask3d_weights").arrays
    assert list(weights) == stored["state_dict_keys"].tolist()
    network.load_state_dict(
        {name: torch.from_numpy(value) for name, value in weights.items()}, strict=True
    )
    return network.eval()


def network_config(config: dict[str, Any], backbone: BackboneConfig) -> NetworkConfig:
    return NetworkConfig(
        backbone,
        dim=config["hidden_dim"],
        n_heads=config["num_heads"],
        feed_forward=config["dim_feedforward"],
        n_classes=config["num_classes"],
        n_rounds=config["num_decoders"],
    )


def run(
    network: Mask3D, stored: Fixture, n_queries: int, *, segments: bool = False
) -> SceneOutput:
    tensors = [
        torch.from_numpy(stored[name])
        for name in ("voxel_coords", "voxel_feats", "voxel_raw_coords")
    ]
    groups = [torch.from_numpy(stored["voxel_segments"])] if segments else None
    with torch.no_grad():
        (scene,) = network(*tensors, n_queries, groups, all_steps=True)
    return scene


@pytest.fixture(scope="module")
def scene(small_network: Mask3D, stored: Fixture) -> SceneOutput:
    return run(small_network, stored, stored.info["config"]["num_queries"])


def largest_difference(ours: torch.Tensor, theirs: npt.NDArray[Any]) -> float:
    return float(np.abs(ours.numpy() - theirs).max())


def test_voxels(stored: Fixture) -> None:
    voxels = voxelize(stored["points"], stored.info["config"]["voxel_size"])
    np.testing.assert_array_equal(voxels.cells, stored["voxel_coords"][:, 1:])
    np.testing.assert_array_equal(voxels.inverse, stored["inverse_map"])
    positions = stored["points"][voxels.first].astype(np.float32)
    np.testing.assert_array_equal(positions, stored["voxel_raw_coords"])
    colors = stored["colors"][voxels.first].astype(np.float32)
    np.testing.assert_array_equal(colors, stored["voxel_feats"])


def test_furthest_points(load: Load, stored: Fixture) -> None:
    cells = stored["voxel_coords"][:, 1:]
    full = load("mask3d_full")
    for expected, rule in (
        (stored["fps_idx"], "first"),
        (full["fps_idx"], "first"),
        (full["fps_idx_cuda"], "cuda"),
    ):
        np.testing.assert_array_equal(furthest_points(cells, len(expected), rule), expected)


def test_feature_maps(small_network: Mask3D, stored: Fixture) -> None:
    coordinates = torch.from_numpy(stored["voxel_coords"])
    with torch.no_grad():
        levels = small_network.backbone(coordinates, torch.from_numpy(stored["voxel_feats"]))
        mask_features = small_network.mask_features_head(levels[-1])
    assert largest_difference(levels[-1].features, stored["backbone_features"]) < 1e-4
    assert largest_difference(mask_features.features, stored["mask_features"]) < 1e-4
    for i, level in enumerate(levels[:-1]):
        order = np.lexsort(level.coordinates.numpy().T[::-1])
        np.testing.assert_array_equal(
            level.coordinates.numpy()[order], stored[f"aux{i}_coords"]
        )
        assert largest_difference(level.features[order], stored[f"aux{i}_feats"]) < 1e-4


def test_query_positions(small_network: Mask3D, stored: Fixture, scene: SceneOutput) -> None:
    np.testing.assert_array_equal(scene.query_rows.numpy(), stored["fps_idx"])
    positions = torch.from_numpy(stored["voxel_raw_coords"])
    sampled = positions[scene.query_rows]
    np.testing.assert_array_equal(sampled.numpy(), stored["sampled_coords"][0])
    with torch.no_grad():
        encoded = small_network.pos_enc(sampled, positions.amin(0), positions.amax(0))
        projected = small_network.query_projection(encoded)
    assert largest_difference(encoded, stored["query_pos_enc"][0].T) < 1e-5
    assert largest_difference(projected, stored["query_pos"][0].T) < 1e-5


def test_attention_masks(small_network: Mask3D, stored: Fixture) -> None:
    """The mask of a level comes from pooled features, the original's from pooled logits."""
    seen = []

    def record(_: object, arguments: tuple[torch.Tensor, ...]) -> None:
        seen.append(arguments[4])

    hooks = [
        layer.register_forward_pre_hook(record) for layer in small_network.cross_attention[0]
    ]
    run(small_network, stored, stored.info["config"]["num_queries"])
    for hook in hooks:
        hook.remove()
    levels = small_network.backbone(
        torch.from_numpy(stored["voxel_coords"]), torch.from_numpy(stored["voxel_feats"])
    )
    for step, blocked in enumerate(seen):
        if f"attn_mask{step}" not in stored.arrays:
            continue
        order = np.lexsort(levels[step % 4].coordinates.numpy().T[::-1])
        expected = stored[f"attn_mask{step}"].T
        expected = expected & ~expected.all(axis=1, keepdims=True)
        assert int((blocked.numpy()[:, order] != expected).sum()) <= MAX_FLIPPED_BITS


def test_predictions(stored: Fixture, scene: SceneOutput) -> None:
    assert largest_difference(scene.final.class_logits, stored["pred_logits"][0]) < 1e-3
    np.testing.assert_allclose(
        scene.final.mask_logits.numpy(), stored["pred_masks"], **MASK_TOLERANCE
    )
    steps = torch.stack([step.class_logits for step in scene.steps])
    assert largest_difference(steps, stored["aux_pred_logits"]) < 1e-3
    np.testing.assert_allclose(
        scene.steps[0].mask_logits.numpy(), stored["aux0_pred_masks"], **MASK_TOLERANCE
    )


def test_predictions_of_segments(small_network: Mask3D, stored: Fixture) -> None:
    n_queries = stored.info["config"]["num_queries"]
    final = run(small_network, stored, n_queries, segments=True).final
    assert largest_difference(final.class_logits, stored["seg_pred_logits"][0]) < 1e-3
    np.testing.assert_allclose(
        final.mask_logits.numpy(), stored["seg_pred_masks"], **MASK_TOLERANCE
    )


@pytest.mark.parametrize("prefix", ["", "seg_"])
def test_post_processing(stored: Fixture, prefix: str) -> None:
    logits, segments = stored[f"{prefix}pred_masks"], None
    if prefix:
        logits = logits[stored["voxel_segments"]]
        segments = np.unique(stored["point_segments"], return_inverse=True)[1].reshape(-1)
    parts = split_masks(logits, stored["voxel_raw_coords"], SPLIT_REACH_M)
    ranked = rank_pairs(parts, class_probabilities(stored[f"{prefix}pred_logits"][0]))
    np.testing.assert_allclose(ranked.scores, stored[f"{prefix}post_scores"], rtol=0, atol=1e-6)
    masks = np.zeros_like(stored[f"{prefix}post_masks"])
    for column, part in enumerate(ranked.parts):
        rows = to_points(parts.voxels[part], stored["inverse_map"], len(logits), segments)
        masks[rows, column] = True
    np.testing.assert_array_equal(masks, stored[f"{prefix}post_masks"])
    assert_same_classes(ranked.classes, stored[f"{prefix}post_classes"])


def assert_same_classes(indices: npt.NDArray[Any], ids: npt.NDArray[Any]) -> None:
    """The benchmark's ids rise with the network's class index."""
    pairs = sorted(set(zip(indices.tolist(), ids.tolist(), strict=True)))
    assert len({index for index, _ in pairs}) == len(pairs)
    assert [label for _, label in pairs] == sorted({label for _, label in pairs})


def test_state_dict(fixture_folder: Path) -> None:
    file = fixture_folder / "mask3d_state_dict_keys.txt"
    if not file.is_file():
        pytest.skip(f"{fixture_folder} holds no {file.name}")
    rows = [line.split("\t") for line in file.read_text().splitlines() if line[:1] != "#"]
    with torch.device("meta"):
        state = Mask3D().state_dict()
    ours = [(name, tuple(value.shape), str(value.dtype)) for name, value in state.items()]
    theirs = [
        (name, ast.literal_eval(shape), f"torch.{dtype}") for name, shape, dtype in rows
    ]
    assert ours == theirs


def test_full_size(load: Load, stored: Fixture) -> None:
    full = load("mask3d_full")
    network = Mask3D(network_config(full.info["config"], BackboneConfig()))
    state = {
        name: fill_rule(name, tuple(value.shape)) for name, value in network.state_dict().items()
    }
    state["mask_features_head.kernel"] = full["mask_features_head_kernel"]
    state["mask_features_head.bias"] = full["mask_features_head_bias"]
    assert list(state) == full["weight_names"].tolist()
    sums = [value.astype(np.float64).sum() for value in state.values()]
    np.testing.assert_allclose(sums, full["weight_sums"], rtol=1e-6, atol=1e-6)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})

    n_queries = full.info["config"]["num_queries"]
    scene = run(network.eval(), stored, n_queries)
    assert largest_difference(scene.final.class_logits, full["pred_logits"][0]) < 1e-3
    np.testing.assert_allclose(
        scene.final.mask_logits.numpy(), full["pred_masks"], rtol=1e-3, atol=5e-3
    )
    with torch.no_grad():
        finest = network.backbone(
            torch.from_numpy(stored["voxel_coords"]), torch.from_numpy(stored["voxel_feats"])
        )[-1]
    rows = torch.from_numpy(full["backbone_rows"])
    assert largest_difference(finest.features[rows], full["backbone_features"]) < 1e-4


def fill_rule(name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The weights of the full-size fixture: normal numbers seeded by the name, scaled by kind."""
    seed = zlib.crc32(name.encode()) & 0xFFFFFFFF
    normal = np.random.RandomState(seed).standard_normal(shape or (1,)).reshape(shape)
    kind = name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    return np.asarray(_scaled(name, kind, shape, normal), np.float32)


def _scaled(
    name: str, kind: str, shape: tuple[int, ...], normal: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    is_weight = kind.endswith("weight")
    if kind == "running_var":
        return np.exp(0.2 * normal)
    if kind == "gauss_B":
        return normal
    if kind == "kernel":
        return normal * np.sqrt(1.0 / _fan(name, shape))
    if is_weight and "norm2" in name:
        return 0.3 * (1.0 + 0.2 * normal)
    if is_weight and any(part in name for part in ("bn", "norm", "downsample.1")):
        return 1.0 + 0.2 * normal
    if is_weight and name.startswith("query_projection"):
        return 3.0 * normal / np.sqrt(shape[1])
    if name.endswith("in_proj_weight"):
        return 1.5 * normal / np.sqrt(shape[1])
    if is_weight and len(shape) >= 2:
        return normal / np.sqrt(shape[1])
    return 0.2 * normal


def _fan(name: str, shape: tuple[int, ...]) -> float:
    if len(shape) == 2:
        return shape[0]
    if "convtr" in name:
        return shape[1]
    return 3.0 * shape[1] if shape[0] == 8 else shape[1] * shape[0] / 3.0

"""The Mask3D network against the original's."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from om3d_core.proposals.mask3d.backbone import BackboneConfig
from om3d_core.proposals.mask3d.fps import furthest_points
from om3d_core.proposals.mask3d.network import N_LEVELS, Mask3D, NetworkConfig, SceneOutput
from om3d_core.proposals.mask3d.voxelize import voxelize
from om3d_core.sparse import Pooling, SparseTensor
from parity.fill_rule import fill_rule
from parity.kinds import Fixture

Load = Callable[[str], Fixture]
MAX_FLIPPED_BITS = 1
"""Of an attention mask: a single bit may lie within rounding of its threshold."""


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("mask3d")


@pytest.fixture(scope="module")
def small_network(load: Load, stored: Fixture) -> Mask3D:
    info = stored.info
    network = Mask3D(
        network_config(
            info["config"],
            stem=info["init_dim"],
            planes=tuple(info["planes"]),
            depths=tuple(info["layers"]),
        )
    )
    assert list(network.state_dict()) == stored["state_dict_keys"].tolist()
    weights = load("mask3d_weights").arrays
    network.load_state_dict(
        {name: torch.from_numpy(value) for name, value in weights.items()}, strict=True
    )
    return network.eval()


def network_config(config: dict[str, Any], **widths: Any) -> NetworkConfig:
    """The description's settings; full size without ``widths``."""
    backbone = config["config"]["backbone"]
    return NetworkConfig(
        BackboneConfig(
            in_channels=backbone["in_channels"], n_labels=backbone["out_channels"], **widths
        ),
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


@pytest.fixture(scope="module")
def levels(small_network: Mask3D, stored: Fixture) -> list[SparseTensor]:
    """The feature maps of the backbone, coarsest first."""
    coordinates = torch.from_numpy(stored["voxel_coords"])
    with torch.no_grad():
        return small_network.backbone(coordinates, torch.from_numpy(stored["voxel_feats"]))


def assert_close(
    ours: torch.Tensor, theirs: npt.NDArray[Any], atol: float, rtol: float = 0.0
) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=rtol, atol=atol)


def assert_close_masks(stored: Fixture, ours: torch.Tensor, theirs: npt.NDArray[Any]) -> None:
    rtol, atol = stored.tolerance("rtol ", 1e-3), stored.tolerance("atol ", 2e-3)
    assert_close(ours, theirs, atol, rtol)


def assert_close_logits(stored: Fixture, ours: torch.Tensor, theirs: npt.NDArray[Any]) -> None:
    assert_close(ours, theirs, stored.tolerance("", 1e-3, after=" on logits"))


def order_of(level: SparseTensor) -> npt.NDArray[np.int64]:
    """The rows of a level by batch, x, y and z."""
    return np.lexsort(level.coordinates.numpy().T[::-1])


def test_voxels(stored: Fixture) -> None:
    voxels = voxelize(stored["points"], stored.info["config"]["voxel_size"])
    np.testing.assert_array_equal(voxels.cells, stored["voxel_coords"][:, 1:])
    np.testing.assert_array_equal(voxels.inverse, stored["inverse_map"])
    positions = stored["points"][voxels.first].astype(np.float32)
    np.testing.assert_array_equal(positions, stored["voxel_raw_coords"])
    colors = stored["colors"][voxels.first].astype(np.float32)
    np.testing.assert_array_equal(colors, stored["voxel_feats"])


def test_furthest_points(stored: Fixture) -> None:
    expected = stored["fps_idx"]
    assert len(expected) == stored.info["config"]["num_queries"]
    cells = stored["voxel_coords"][:, 1:]
    np.testing.assert_array_equal(furthest_points(cells, len(expected), "first"), expected)


@pytest.mark.parametrize("name, rule", [("fps_idx", "first"), ("fps_idx_cuda", "cuda")])
def test_furthest_points_of_the_full_size(
    load: Load, stored: Fixture, name: str, rule: str
) -> None:
    cells, expected = stored["voxel_coords"][:, 1:], load("mask3d_full")[name]
    np.testing.assert_array_equal(furthest_points(cells, len(expected), rule), expected)


def test_feature_maps(small_network: Mask3D, stored: Fixture, levels: list[SparseTensor]) -> None:
    tolerance = stored.tolerance("backbone ", 1e-4)
    with torch.no_grad():
        mask_features = small_network.mask_features_head(levels[-1])
    assert_close(levels[-1].features, stored["backbone_features"], tolerance)
    assert_close(mask_features.features, stored["mask_features"], tolerance)
    assert len(stored.matches(r"aux\d+_coords")) == len(levels) - 1 == N_LEVELS
    for i, level in enumerate(levels[:-1]):
        order = order_of(level)
        np.testing.assert_array_equal(level.coordinates.numpy()[order], stored[f"aux{i}_coords"])
        assert_close(level.features[order], stored[f"aux{i}_feats"], tolerance)


def test_pooled_positions(stored: Fixture) -> None:
    pool = Pooling(2, stride=2)
    places = SparseTensor.create(
        torch.from_numpy(stored["voxel_coords"]), torch.from_numpy(stored["voxel_raw_coords"])
    )
    for i in reversed(range(N_LEVELS)):
        places = pool(places)
        order = order_of(places)
        np.testing.assert_array_equal(places.coordinates.numpy()[order], stored[f"aux{i}_coords"])
        assert_close(places.features[order], stored[f"aux{i}_raw_coords"], 1e-5, 1e-6)


def test_query_positions(small_network: Mask3D, stored: Fixture, scene: SceneOutput) -> None:
    np.testing.assert_array_equal(scene.query_rows.numpy(), stored["fps_idx"])
    positions = torch.from_numpy(stored["voxel_raw_coords"])
    sampled = positions[scene.query_rows]
    np.testing.assert_array_equal(sampled.numpy(), stored["sampled_coords"][0])
    with torch.no_grad():
        encoded = small_network.pos_enc(sampled, positions.amin(0), positions.amax(0))
        projected = small_network.query_projection(encoded)
    assert_close(encoded, stored["query_pos_enc"][0].T, 1e-5)
    assert_close(projected, stored["query_pos"][0].T, 1e-5, 1e-5)


def test_attention_masks(
    small_network: Mask3D, stored: Fixture, levels: list[SparseTensor]
) -> None:
    """The mask of a level comes from pooled features, the original's from pooled logits."""
    seen = []

    def record(_: object, arguments: tuple[torch.Tensor, ...]) -> None:
        seen.append(arguments[4])

    hooks = [layer.register_forward_pre_hook(record) for layer in small_network.cross_attention[0]]
    run(small_network, stored, stored.info["config"]["num_queries"])
    for hook in hooks:
        hook.remove()
    for match in stored.matches(r"attn_mask(\d+)"):
        step = int(match[1])
        expected = stored[match[0]].T
        expected = expected & ~expected.all(axis=1, keepdims=True)
        blocked = seen[step].numpy()[:, order_of(levels[step % N_LEVELS])]
        assert int((blocked != expected).sum()) <= MAX_FLIPPED_BITS, match[0]


def test_predictions(stored: Fixture, scene: SceneOutput) -> None:
    assert_close_logits(stored, scene.final.class_logits, stored["pred_logits"][0])
    assert_close_masks(stored, scene.final.mask_logits, stored["pred_masks"])
    steps = torch.stack([step.class_logits for step in scene.steps])
    assert_close_logits(stored, steps, stored["aux_pred_logits"])
    assert_close_masks(stored, scene.steps[0].mask_logits, stored["aux0_pred_masks"])


def test_predictions_of_segments(small_network: Mask3D, stored: Fixture) -> None:
    n_queries = stored.info["config"]["num_queries"]
    final = run(small_network, stored, n_queries, segments=True).final
    assert_close_logits(stored, final.class_logits, stored["seg_pred_logits"][0])
    assert_close_masks(stored, final.mask_logits, stored["seg_pred_masks"])


def test_state_dict(fixture_folder: Path) -> None:
    file = fixture_folder / "mask3d_state_dict_keys.txt"
    if not file.is_file():
        pytest.skip(f"{fixture_folder} holds no {file.name}")
    rows = [line.split("\t") for line in file.read_text().splitlines() if line[:1] != "#"]
    with torch.device("meta"):
        state = Mask3D().state_dict()
    ours = [(name, tuple(value.shape), str(value.dtype)) for name, value in state.items()]
    theirs = [(name, ast.literal_eval(shape), f"torch.{dtype}") for name, shape, dtype in rows]
    assert ours == theirs


def test_full_size(load: Load, stored: Fixture) -> None:
    full = load("mask3d_full")
    network = Mask3D(network_config(full.info["config"]))
    state = {
        name: fill_rule(name, tuple(value.shape)) for name, value in network.state_dict().items()
    }
    state["mask_features_head.kernel"] = full["mask_features_head_kernel"]
    state["mask_features_head.bias"] = full["mask_features_head_bias"]
    assert list(state) == full["weight_names"].tolist()
    for name, values in (("weight_sums", state), ("weight_abs_sums", map_abs(state))):
        sums = [value.astype(np.float64).sum() for value in values.values()]
        np.testing.assert_allclose(sums, full[name], rtol=1e-6, atol=1e-6)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})

    scene = run(network.eval(), stored, full.info["config"]["num_queries"])
    np.testing.assert_array_equal(scene.query_rows.numpy(), full["fps_idx"])
    assert_close_logits(full, scene.final.class_logits, full["pred_logits"][0])
    assert_close_masks(full, scene.final.mask_logits, full["pred_masks"])
    with torch.no_grad():
        finest = network.backbone(
            torch.from_numpy(stored["voxel_coords"]), torch.from_numpy(stored["voxel_feats"])
        )[-1]
    rows = torch.from_numpy(full["backbone_rows"])
    tolerance = full.tolerance("backbone ", 1e-4)
    assert_close(finest.features[rows], full["backbone_features"], tolerance)


def map_abs(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name: np.abs(value) for name, value in arrays.items()}

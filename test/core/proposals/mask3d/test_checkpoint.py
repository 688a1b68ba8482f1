"""Checkpoints: what loads, what is refused, and that nothing in them is executed."""

from __future__ import annotations

import argparse
import os
import pickle
import resource
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from om3d_core.errors import ModelError
from om3d_core.formats.torch_files import read_tensors
from om3d_core.proposals.mask3d import Mask3DProposer, Mask3DSettings
from om3d_core.proposals.mask3d.backbone import BackboneConfig
from om3d_core.proposals.mask3d.checkpoint import load_network, read_weights
from om3d_core.proposals.mask3d.network import Mask3D, NetworkConfig

CONFIG = NetworkConfig(
    BackboneConfig(stem=4, planes=(4, 6, 8, 10, 10, 8, 6, 4), depths=(1, 2, 1, 2, 1, 1, 1, 1)),
    dim=16, n_heads=2, feed_forward=24, n_classes=7,
)


class Settings(dict[str, object]):
    """Stands for a configuration class that the reader of a checkpoint does not have."""


class Attack:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return Mask3D(CONFIG).state_dict()


def lightning(weights: dict[str, Tensor], **extra: object) -> dict[str, object]:
    """The layout of a checkpoint of the originals."""
    state = {f"model.{name}": value for name, value in weights.items()}
    return {
        "epoch": 599,
        "state_dict": {**state, "criterion.empty_weight": torch.ones(8)},
        "hyper_parameters": Settings(planes=[1, 2], names=argparse.Namespace(a={1, 2})),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        **extra,
    }


def assert_loads(path: Path, weights: dict[str, Tensor]) -> None:
    network = load_network(path, n_heads=2)
    assert network.config == CONFIG
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_lightning(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "scannet200_model.ckpt"
    torch.save(lightning(weights), path)
    assert_loads(path, weights)


def test_nothing_is_executed(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    folder, path = tmp_path / "attacked", tmp_path / "attack.ckpt"
    attack = Attack(folder)
    torch.save(lightning(weights, callbacks=[attack, Settings(a=attack)]), path)
    assert_loads(path, weights)
    assert not folder.exists()
    torch.load(path, weights_only=False)
    assert folder.is_dir(), "the attack itself must work"


def test_plain_state_dict(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    torch.save(weights, tmp_path / "plain.pt")
    assert_loads(tmp_path / "plain.pt", weights)
    parameters = {name: torch.nn.Parameter(value) if value.is_floating_point() else value
                  for name, value in weights.items()}
    torch.save(parameters, tmp_path / "parameters.pt")
    assert_loads(tmp_path / "parameters.pt", weights)


def test_safetensors(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    save_file(weights, tmp_path / "plain.safetensors")
    assert_loads(tmp_path / "plain.safetensors", weights)
    save_file(
        {f"model.{name}": value for name, value in weights.items()},
        tmp_path / "prefixed.safetensors",
    )
    assert_loads(tmp_path / "prefixed.safetensors", weights)


def test_views_of_one_storage(tmp_path: Path) -> None:
    whole = torch.arange(12.0)
    stored = {"a": whole[2:8].view(2, 3).T, "b": whole[::3], "c": whole.half(), "d": whole.long()}
    torch.save(stored, tmp_path / "views.pt")
    read = read_tensors(tmp_path / "views.pt")
    assert all(torch.equal(read[name], stored[name]) for name in stored)


def broken(weights: dict[str, Tensor], fault: str) -> dict[str, Tensor]:
    first, *_ = weights
    if fault == "missing":
        del weights["decoder_norm.bias"]
    elif fault == "missing width":
        del weights["class_embed_head.weight"]
    elif fault == "unexpected":
        weights["stowaway"] = torch.zeros(1)
    elif fault == "misshapen":
        weights["decoder_norm.bias"] = torch.zeros(17)
    elif fault == "infinite":
        weights[first] = weights[first] * float("inf")
    elif fault == "empty":
        weights[first] = torch.zeros(0, 3, 4)
    elif fault == "blocks":
        weights["backbone.block3.0.conv1.kernel"] = torch.ones(27, 6)
    return weights


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "1 missing: decoder_norm.bias"),
        ("missing width", "1 missing: class_embed_head.weight;"),
        ("unexpected", "1 unexpected: stowaway"),
        ("misshapen", r"decoder_norm.bias \(expected \(16,\), got \(17,\)\)"),
        ("infinite", "finite weights"),
        ("empty", "empty"),
        ("blocks", r"backbone.block3.0.conv1.kernel \(expected .*, got \(27, 6\)\)"),
    ],
)
def test_weights_that_do_not_fit(
    tmp_path: Path, weights: dict[str, Tensor], suffix: str, fault: str, message: str
) -> None:
    path = tmp_path / f"broken{suffix}"
    state = broken(weights, fault)
    save_file(state, path) if suffix == ".safetensors" else torch.save(lightning(state), path)
    with pytest.raises(ModelError, match=message):
        load_network(path, n_heads=2)


def test_heads_that_do_not_fit(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    save_file(weights, tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match="multiple of 3 heads, got 16"):
        load_network(tmp_path / "weights.safetensors", n_heads=3)
    narrow = NetworkConfig(CONFIG.backbone, dim=12, n_heads=3, feed_forward=24, n_classes=7)
    save_file(Mask3D(narrow).state_dict(), tmp_path / "narrow.safetensors")
    assert load_network(tmp_path / "narrow.safetensors", n_heads=3).config == narrow


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated(
    tmp_path: Path, weights: dict[str, Tensor], suffix: str, share: float
) -> None:
    path = tmp_path / f"cut{suffix}"
    save_file(weights, path) if suffix == ".safetensors" else torch.save(lightning(weights), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=str(path)):
        read_weights(path)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "file.ckpt"
    with pytest.raises(ModelError, match="no file"):
        read_weights(path)
    with pytest.raises(ModelError, match="no file"):
        read_weights(tmp_path)
    path.write_bytes(pickle.dumps({"state_dict": {}}))
    with pytest.raises(ModelError, match="zip archive"):
        read_weights(path)
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="table of weights"):
        read_weights(path)
    torch.save({"state_dict": {"a": 1}}, path)
    with pytest.raises(ModelError, match="got none"):
        read_weights(path)


def write_archive(path: Path, table: bytes, storage: bytes, **options: Any) -> None:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("a/data.pkl", table)
        archive.writestr("a/data/0", storage)


def tensor_table(count: int, size: int, stride: int) -> bytes:
    """The pickle of {"a": tensor}, claiming ``count`` stored floats."""
    def number(value: int) -> bytes:
        return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)

    def text(value: bytes) -> bytes:
        return b"X" + len(value).to_bytes(4, "little") + value

    storage = (
        b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu")
        + number(count) + b"tQ"
    )
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(0) + number(size) + b"\x85"
        + number(stride) + b"\x85tR"
    )
    return b"\x80\x02}" + text(b"a") + tensor + b"s."


def test_the_table_may_not_lie(tmp_path: Path) -> None:
    path = tmp_path / "lie.ckpt"
    write_archive(path, tensor_table(4, 4, 1), bytes(16))
    assert read_tensors(path)["a"].tolist() == [0, 0, 0, 0]
    for count, size, stride in ((5, 5, 1), (4, 5, 1), (4, 4, 9), (4, 1 << 40, 0), (4, -4, 1)):
        write_archive(path, tensor_table(count, size, stride), bytes(16))
        with pytest.raises(ModelError, match="lie.ckpt"):
            read_tensors(path)


def test_a_storage_may_not_be_copied_without_end(tmp_path: Path) -> None:
    whole = torch.zeros(1 << 16)
    torch.save({"a": whole, "b": whole.view(256, 256)}, tmp_path / "tied.pt")
    assert len(read_tensors(tmp_path / "tied.pt")) == 2
    torch.save({f"w{i}": whole[:] for i in range(2000)}, tmp_path / "bomb.pt")
    with pytest.raises(ModelError, match="expected tensors of about .* bytes, got 524288000"):
        read_tensors(tmp_path / "bomb.pt")


def test_a_large_memo_number_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "memo.ckpt"
    table = tensor_table(4, 4, 1)
    write_archive(path, table[:3] + b"r\xf0\xff\xff\xff" + table[3:], bytes(16))
    assert read_tensors(path)["a"].tolist() == [0, 0, 0, 0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8e6


def test_a_long_byte_array_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "array.ckpt"
    table = tensor_table(4, 4, 1)
    length = (1 << 34).to_bytes(8, "little")
    write_archive(path, table[:3] + b"\x96" + length + b"0" + table[3:], bytes(16))
    with pytest.raises(ModelError, match="instructions of a plain pickle, got 150"):
        read_tensors(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8e6


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ckpt"
    write_archive(path, tensor_table(4, 4, 1), bytes(16), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="uncompressed"):
        read_tensors(path)


@pytest.mark.parametrize("place", ["~no-such-user/x.ckpt", "~/no/such/x.ckpt", "no/such/x.ckpt"])
def test_a_checkpoint_that_is_not_there_is_named(place: str) -> None:
    with pytest.raises(ModelError, match=r"mask3d\.checkpoint: .* got no file .*x\.ckpt"):
        Mask3DProposer(Mask3DSettings(checkpoint=place, device="cpu"))

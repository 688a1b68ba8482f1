"""PyTorch files: arrays and tensors without a call, and tables that would take time or memory."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzz.probe import Probe
from helpers import bombs
from helpers.bounds import assert_refused

from om3d_core.errors import ModelError
from om3d_core.formats.torch_files import SparseEntries, read_saved, read_tensors
from om3d_core.formats.torch_pickle import MAX_STEPS

TABLE = b"\x80\x02"


@pytest.mark.parametrize("kind", ["?", "u1", "i4", ">i8", "f2", "<f4", "f8"])
def test_numpy_arrays_come_back(tmp_path: Path, kind: str) -> None:
    for array in (np.arange(6).reshape(2, 3).astype(kind), np.zeros((0, 2), kind),
                  np.asfortranarray(np.eye(3).astype(kind))):  # fmt: skip
        read = read_saved(bombs.pt(tmp_path / "a.pt", array))
        assert isinstance(read, np.ndarray) and read.dtype.isnative
        assert np.array_equal(read, array)


def test_tensors_come_back(tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    for tensor in (whole, whole.T, whole[:, ::2], whole.bool(), whole.long(), whole.bfloat16()):
        read = read_saved(bombs.pt(tmp_path / "a.pt", tensor))
        assert isinstance(read, np.ndarray)
        assert np.array_equal(read, tensor.float().numpy())
    read, seven = read_saved(bombs.pt(tmp_path / "a.pt", (whole.to_sparse(), 7)))
    assert seven == 7
    assert isinstance(read, SparseEntries) and read.shape == (3, 4)
    assert np.array_equal(read.values, np.arange(1.0, 12.0))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_small_files_of_huge_tensors(tmp_path: Path, probe: Probe) -> None:
    repeated = bombs.pt(tmp_path / "r.pt", torch.zeros(1, 1).expand(10**9, 2))
    assert_refused(probe, "masks", repeated, r"at most 1 values, as stored, got \(1000000000, 2\)")
    sparse = bombs.pt(tmp_path / "s.pt", torch.sparse_coo_tensor(size=(10**9, 2)))
    assert_refused(probe, "masks", sparse, "0..50000000 points, got 1000000000")
    wide = bombs.pt(tmp_path / "w.pt", torch.sparse_coo_tensor(size=(2, 10**9)))
    assert_refused(probe, "masks", wide, "at most 5000 masks")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE + b"]0" * (MAX_STEPS + 10) + b"N.", "at most 300000 instructions"),
        (TABLE + b"(" * (MAX_STEPS + 10) + b"N.", "at most 300000 instructions"),
        (TABLE + b"}N" + b"q\x00h\x00\x86" * 60 + b"Ns.", "plain keys .* a nested one"),
        (
            TABLE + b"c_codecs\nencode\nq\x020X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
            + b"X\x06\x00\x00\x00latin1\x86q\x030(" + b"h\x02h\x03R" * 10_000 + b"l.",
            "each array once",
        ),
        (TABLE + b"\x96" + struct.pack("<Q", 1 << 34) + b".", "plain pickle, got 150"),
        (TABLE + b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "objects, which are never loaded"),
        (b"", "a readable table of tensors"),
    ],
    ids=["steps", "marks", "hash", "copies", "length", "call", "empty"],
)
def test_tables_that_would_take_time_or_memory(
    tmp_path: Path, probe: Probe, table: bytes, message: str
) -> None:
    assert_refused(probe, "masks", bombs.pt_of_table(tmp_path / "m.pt", table), message)


def test_each_storage_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.arange(100.0), torch.arange(100.0) + 1
    stored = {f"{name}{i}": whole[i : i + 1] for i in range(50) for name, whole in
              (("a", a), ("b", b))}  # fmt: skip
    torch.save(stored, tmp_path / "m.pt")
    taken: list[int] = []
    frombuffer = torch.frombuffer
    monkeypatch.setattr(
        torch, "frombuffer", lambda *a, **k: taken.append(1) or frombuffer(*a, **k)
    )
    read = read_tensors(tmp_path / "m.pt")
    assert list(read) == list(stored) and len(taken) == 2
    assert all(torch.equal(read[name], stored[name]) for name in stored)


def test_other_types_of_arrays_are_refused(tmp_path: Path) -> None:
    for odd in (np.array([{}], object), np.array(["x"]), np.zeros(2, complex)):
        with pytest.raises(ModelError, match="m.pt: .*(an array of b1|never loaded|bytes)"):
            read_saved(bombs.pt(tmp_path / "m.pt", odd))


def test_tables_of_arrays_come_back_without_their_objects(tmp_path: Path) -> None:
    saved = {"ins": [{"length": 4, "counts": np.array([1, 2])}], "conf": [0.5, torch.tensor(1.0)],
             "who": torch.device("cpu"), 3: ("a", None, True)}  # fmt: skip
    read = read_saved(bombs.pt(tmp_path / "a.pt", saved))
    assert read["ins"][0]["length"] == 4 and read["ins"][0]["counts"].tolist() == [1, 2]
    assert read["conf"][0] == 0.5 and read["conf"][1].shape == () and read["who"] is None
    assert read[3] == ("a", None, True)


def test_lists_within_lists_are_bounded(tmp_path: Path) -> None:
    itself: list[object] = []
    itself.append(itself)
    many: object = [np.zeros(2)]
    for _ in range(6):
        many = [many] * 20
    large = [np.zeros(4096)] * 1000
    for bomb in (itself, many, large):
        with pytest.raises(ModelError, match="at most|far more"):
            read_saved(bombs.pt(tmp_path / "a.pt", bomb))

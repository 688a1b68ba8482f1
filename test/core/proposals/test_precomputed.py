"""Masks from files: .npz dense and sparse, and OpenMask3D's .pt, read without unpickling."""

import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from om3d_core.data.cloud import Cloud
from om3d_core.errors import InputError, ModelError
from om3d_core.progress import Job
from om3d_core.proposals import mask_files
from om3d_core.proposals.precomputed import PrecomputedProposer, PrecomputedSettings

UP = np.array([0.0, 0.0, 1.0])
DENSE = np.array([[1, 0], [1, 0], [0, 0], [0, 1], [1, 1]])


def cloud_of(n: int) -> Cloud:
    points = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    return Cloud(points, np.zeros((n, 3), np.uint8), np.zeros((n, 3), np.float32))


def proposer_of(path: Path | str) -> PrecomputedProposer:
    return PrecomputedProposer(PrecomputedSettings(str(path)))


def propose(path: Path):
    return proposer_of(path).propose(cloud_of(5), Job(), UP)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.float64])
def test_dense_npz(tmp_path: Path, dtype: type) -> None:
    np.savez(tmp_path / "m.npz", masks=DENSE.astype(dtype), scores=[0.25, 1.0])
    masks = propose(tmp_path / "m.npz")
    assert np.array_equal(masks.to_dense(), DENSE.astype(bool))
    assert masks.scores.tolist() == [0.25, 1.0]
    assert not masks.structure.any()


def test_sparse_npz_equals_dense(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", indptr=[0, 3, 5], indices=[4, 0, 1, 3, 4], n_points=5)
    assert np.array_equal(propose(tmp_path / "m.npz").to_dense(), DENSE.astype(bool))


def test_sparse_npz_without_masks(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", indptr=[0], indices=np.zeros(0, int), n_points=5)
    assert len(propose(tmp_path / "m.npz")) == 0


@pytest.mark.parametrize(
    "saved",
    [DENSE.astype(np.float16), DENSE.astype(bool), torch.tensor(DENSE, dtype=torch.float32),
     torch.tensor(DENSE, dtype=torch.float32).to_sparse()],
    ids=["array-half", "array-bool", "tensor", "sparse-tensor"],
)
def test_pt(tmp_path: Path, saved: object) -> None:
    torch.save(saved, tmp_path / "m.pt")
    masks = propose(tmp_path / "m.pt")
    assert np.array_equal(masks.to_dense(), DENSE.astype(bool))
    assert masks.scores.tolist() == [1.0, 1.0]


def test_pt_written_by_an_older_numpy(tmp_path: Path) -> None:
    """NumPy 1 pickles arrays under numpy.core, NumPy 2 under numpy._core."""
    for core in ("core", "_core"):
        table = pickle.dumps(DENSE.astype(np.float16), protocol=2)
        for name in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
            table = table.replace(name, f"numpy.{core}.multiarray".encode())
        with zipfile.ZipFile(tmp_path / "old.pt", "w") as archive:
            archive.writestr("old/data.pkl", table)
        assert np.array_equal(propose(tmp_path / "old.pt").to_dense(), DENSE.astype(bool))


def test_pt_before_zip_says_what_to_do(tmp_path: Path) -> None:
    torch.save(DENSE, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match="saved again with torch.save"):
        proposer_of(tmp_path / "m.pt")


class _Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_pt_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(_Harm(), tmp_path / "m.pt")
    with pytest.raises(ModelError, match="array or tensor.* never loaded") as caught:
        proposer_of(tmp_path / "m.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


def test_npz_with_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", masks=np.array([{}, {}], object))
    with pytest.raises(ModelError, match=r"\.npz"):
        proposer_of(tmp_path / "m.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"other": DENSE},
        {"masks": np.zeros((5, 2, 2))},
        {"masks": np.full((5, 2), np.nan)},
        {"masks": np.full((5, 2), "x")},
        {"masks": DENSE, "scores": [0.5]},
        {"masks": DENSE, "scores": [0.5, np.nan]},
        {"masks": DENSE, "scores": [0.5, 7.0]},
        {"indptr": [0, 9], "indices": [1, 2], "n_points": 5},
        {"indptr": [0, 2], "indices": [1, 5], "n_points": 5},
        {"indptr": [0, 2], "indices": [-1, 2], "n_points": 5},
        {"indptr": [0.0, 2.0], "indices": [1, 2], "n_points": 5},
        {"indptr": np.zeros(0, int), "indices": np.zeros(0, int), "n_points": 5},
    ],
)
def test_malformed_arrays(tmp_path: Path, arrays: dict[str, object]) -> None:
    np.savez(tmp_path / "m.npz", **arrays)
    with pytest.raises(ModelError, match="expected"):
        proposer_of(tmp_path / "m.npz")


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_truncated_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    if suffix == ".npz":
        np.savez(path, masks=DENSE)
    else:
        torch.save(DENSE, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError):
        proposer_of(path)


def test_missing_or_strange_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="precomputed.path: expected a mask file"):
        proposer_of("")
    with pytest.raises(ModelError, match="found none"):
        proposer_of(tmp_path / "none.npz")
    with pytest.raises(ModelError, match=r"ends in \.npz, \.pt, \.pth, \.txt"):
        proposer_of(tmp_path / "masks.csv")


def test_too_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "m.npz", masks=DENSE)
    monkeypatch.setattr(mask_files, "MAX_BYTES", 100)
    with pytest.raises(ModelError, match="at most 100 bytes"):
        proposer_of(tmp_path / "m.npz")


def test_masks_over_another_cloud(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", masks=DENSE)
    proposer = proposer_of(tmp_path / "m.npz")
    with pytest.raises(InputError, match="7 points"):
        proposer.propose(cloud_of(7), Job(), UP)


def test_masks_over_the_segments_of_a_cloud(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", masks=[[1, 0], [0, 1]], scores=[0.5, 0.25])
    proposer, plain = proposer_of(tmp_path / "m.npz"), cloud_of(5)
    cloud = replace(plain, segments=np.array([70, 7, 7, 70, 70]))
    masks = proposer.propose(cloud, Job(), UP)
    assert [masks[i].tolist() for i in range(2)] == [[1, 2], [0, 3, 4]]
    assert masks.scores.tolist() == [0.5, 0.25]
    with pytest.raises(InputError, match="2 points, or \\(N, P\\) instead|2 points"):
        proposer.propose(plain, Job(), UP)

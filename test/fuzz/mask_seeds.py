"""Masks in the files of the tools that make them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from fuzz.seed import Seed

RUNS = {"size": [1, 12], "counts": [3, 4, 5]}


def _dense(folder: Path) -> None:
    dense = np.random.default_rng(0).random((40, 5)) < 0.3
    np.savez_compressed(folder / "m.npz", masks=dense, scores=np.linspace(0, 1, 5))


def _rows(folder: Path) -> None:
    np.savez(folder / "m.npz", indptr=[0, 3, 5], indices=[4, 0, 1, 3, 4], n_points=5)


def _tensor(folder: Path) -> None:
    torch.save((torch.eye(6, dtype=torch.uint8), [1.0]), folder / "m.pt")


def _array(folder: Path) -> None:
    torch.save(np.eye(6, dtype=np.float32), folder / "m.pt")


def _sparse(folder: Path) -> None:
    torch.save(torch.eye(6).to_sparse(), folder / "m.pt")


def _labels(folder: Path) -> None:
    (folder / "m.txt").write_text("".join(f"{k % 3 - 1}\n" for k in range(40)))


def _benchmark(folder: Path) -> None:
    (folder / "pred_mask").mkdir()
    (folder / "pred_mask/0.txt").write_text("".join(f"{int(k < 5)}\n" for k in range(12)))
    (folder / "pred_mask/1.json").write_text(json.dumps(RUNS))
    (folder / "m.txt").write_text("pred_mask/0.txt 3 0.9\npred_mask/1.json 4 0.5\n")


def _runs(folder: Path) -> None:
    entries = [{"segmentation": RUNS, "score": 0.5}, {"segmentation": RUNS, "score": 0.25}]
    (folder / "m.json").write_text(json.dumps(entries))


def _objectness(folder: Path) -> None:
    rows = np.column_stack([np.random.default_rng(0).random((40, 4)), np.arange(40) % 3])
    np.savetxt(folder / "m.pts", rows, fmt="%.4f")


SEEDS = (
    Seed("npz dense", "masks", _dense, "m.npz"),
    Seed("npz rows", "masks", _rows, "m.npz"),
    Seed("pt tensor", "masks", _tensor, "m.pt"),
    Seed("pt array", "masks", _array, "m.pt"),
    Seed("pt sparse", "masks", _sparse, "m.pt"),
    Seed("labels text", "masks", _labels, "m.txt"),
    Seed("masks listed", "masks", _benchmark, "m.txt"),
    Seed("run lengths", "masks", _runs, "m.json"),
    Seed("pts", "masks", _objectness, "m.pts"),
)

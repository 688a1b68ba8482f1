"""Whole files of every kind that is read from outside, to be changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from helpers.keyframes import make_keyframes
from helpers.recorded_scene import K, color_of, depth_of
from helpers.scenes import make_scene
from safetensors.torch import save_file

from fuzz.cloud_seeds import SEEDS as CLOUDS
from fuzz.mask_seeds import SEEDS as MASKS
from fuzz.recording_seeds import SEEDS as RECORDINGS
from fuzz.seed import Seed
from om3d_core.data.scene_store import save_scene
from om3d_core.evaluation.assign import Candidates
from om3d_core.evaluation.benchmark import InstanceCounts
from om3d_core.evaluation.paper.records import SceneRecord, write_record

PRESET = Path(__file__).resolve().parents[2] / "config" / "openmask3d_pp.yaml"


def _truth(folder: Path) -> None:
    points = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    np.savez(folder / "ground_truth.npz", points=points, instance=np.arange(30) % 3)
    entries = [{"id": i, "class": "box", "structure": i == 0} for i in range(3)]
    (folder / "scene.json").write_text(json.dumps({"instances": entries}))


def _checkpoint(folder: Path) -> None:
    weights = {f"model.{name}": torch.arange(6.0).view(2, 3) for name in "abc"}
    torch.save({"epoch": 3, "state_dict": weights, "more": {1: [2.5, None]}}, folder / "w.ckpt")


def _safetensors(folder: Path) -> None:
    save_file({"a": torch.arange(6.0), "b": torch.ones(2, 2).half()}, folder / "w.safetensors")


def _picture(suffix: str) -> Callable[[Path], object]:
    return lambda folder: cv2.imwrite(str(folder / f"p{suffix}"), color_of(0))


def _views(folder: Path) -> None:
    for name, pixels in (("color", color_of(0)), ("depth", depth_of(0)),
                         ("label", (depth_of(1) % 5).astype(np.uint8))):  # fmt: skip
        cv2.imwrite(str(folder / f"v.{name}.png"), pixels)
    np.savetxt(folder / "intrinsics.txt", K)


def _queries(folder: Path) -> None:
    asked = [{"text": "cup", "positions": [[0, 1, 2.5]], "radius": 0.2, "max_extent": 0.5},
             {"text": "cat", "absent": True}]  # fmt: skip
    (folder / "q.json").write_text(json.dumps({"queries": asked}))


def _record(folder: Path) -> None:
    counts = InstanceCounts(
        np.array([0.5, 1.0]), np.array([3, 4]), np.array([1001, 2001, 3001]), np.array([2, 3, 4]),
        np.array([[1, 0, 2], [0, 3, 0]]),
    )
    rows = {"base": Candidates(np.array([[1], [2]]), np.array([[0.5], [0.25]]))}
    write_record(folder / "r.json", SceneRecord("scene", "print", counts, rows))


SEEDS = (
    *MASKS,
    *CLOUDS,
    *RECORDINGS,
    Seed("npz truth", "truth", _truth),
    Seed("checkpoint", "weights", _checkpoint, "w.ckpt"),
    Seed("safetensors", "weights", _safetensors, "w.safetensors"),
    Seed("png", "picture", _picture(".png"), "p.png"),
    Seed("jpeg", "picture", _picture(".jpg"), "p.jpg"),
    Seed("tiff", "picture", _picture(".tiff"), "p.tiff"),
    Seed("webp", "picture", _picture(".webp"), "p.webp"),
    Seed("yaml", "settings",
         lambda folder: (folder / "s.yaml").write_bytes(PRESET.read_bytes()), "s.yaml"),
    Seed("single views", "views", _views),
    Seed("queries", "queries", _queries, "q.json"),
    Seed("record", "record", _record, "r.json"),
    Seed("map", "map", lambda folder: save_scene(make_scene(), folder / "map"), "map"),
    Seed("map with keyframes", "map with keyframes",
         lambda folder: save_scene(make_scene(), folder / "map", make_keyframes()), "map"),
)  # fmt: skip

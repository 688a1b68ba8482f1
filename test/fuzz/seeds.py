"""Whole files of every kind that is read from outside, to be changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from helpers.bag_maker import OPTICAL, BagMaker
from helpers.dataset_maker import write_replica, write_scannet, write_scannetpp
from helpers.keyframes import make_keyframes
from helpers.recorded_scene import HEIGHT, WIDTH, K, color_of, depth_of, pose_of, write_ply
from helpers.recorded_scene import write_scene as write_frames
from helpers.scenes import make_scene
from rosbags.rosbag2 import CompressionMode
from safetensors.torch import save_file

from om3d_core.data.scene_store import save_scene
from om3d_core.evaluation.assign import Candidates
from om3d_core.evaluation.benchmark import InstanceCounts
from om3d_core.evaluation.paper.records import SceneRecord, write_record
from om3d_core.formats.image_fields import encode_image

PRESET = Path(__file__).resolve().parents[2] / "config" / "openmask3d_pp.yaml"
RECORDED_NS = 1_700_000_000_000_000_000


class Seed(NamedTuple):
    """A folder of files; ``reader`` of :mod:`fuzz.readers` is given ``target`` in it."""

    kind: str
    reader: str
    write: Callable[[Path], object]
    target: str = ""


def _dense(folder: Path) -> None:
    dense = np.random.default_rng(0).random((40, 5)) < 0.3
    np.savez_compressed(folder / "m.npz", masks=dense, scores=np.linspace(0, 1, 5))


def _rows(folder: Path) -> None:
    np.savez(folder / "m.npz", indptr=[0, 3, 5], indices=[4, 0, 1, 3, 4], n_points=5)


def _truth(folder: Path) -> None:
    points = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    np.savez(folder / "ground_truth.npz", points=points, instance=np.arange(30) % 3)
    entries = [{"id": i, "class": "box", "structure": i == 0} for i in range(3)]
    (folder / "scene.json").write_text(json.dumps({"instances": entries}))


def _tensor(folder: Path) -> None:
    torch.save((torch.eye(6, dtype=torch.uint8), [1.0]), folder / "m.pt")


def _array(folder: Path) -> None:
    torch.save(np.eye(6, dtype=np.float32), folder / "m.pt")


def _sparse(folder: Path) -> None:
    torch.save(torch.eye(6).to_sparse(), folder / "m.pt")


def _checkpoint(folder: Path) -> None:
    weights = {f"model.{name}": torch.arange(6.0).view(2, 3) for name in "abc"}
    torch.save({"epoch": 3, "state_dict": weights, "more": {1: [2.5, None]}}, folder / "w.ckpt")


def _safetensors(folder: Path) -> None:
    save_file({"a": torch.arange(6.0), "b": torch.ones(2, 2).half()}, folder / "w.safetensors")


def _text_ply(folder: Path) -> None:
    rows = np.random.default_rng(0).random((60, 6))
    names = "".join(f"property float {n}\n" for n in ("x", "y", "z", "nx", "ny", "nz"))
    head = f"ply\nformat ascii 1.0\ncomment of a test\nelement vertex 60\n{names}end_header\n"
    body = "".join(" ".join(f"{value:.3f}" for value in row) + "\n" for row in rows)
    (folder / "c.ply").write_text(head + body)


def _picture(suffix: str) -> Callable[[Path], object]:
    return lambda folder: cv2.imwrite(str(folder / f"p{suffix}"), color_of(0))


def _bag(path: Path, storage: str, compression: CompressionMode | None) -> None:
    with BagMaker(path, storage, **({"compression": compression} if compression else {})) as bag:
        for n in range(3):
            at = RECORDED_NS + n * 100_000_000
            bag.odometry("/odom", at, ("odom", OPTICAL), pose_of(n))
            bag.info("/cam/color/camera_info", at, K, WIDTH, HEIGHT)
            bag.image("/cam/color/image_raw", at, encode_image(color_of(n), "rgb8"))
            bag.image("/cam/depth/image_raw", at, encode_image(depth_of(n), "16UC1"))


def _bag_file(storage: str, compression: CompressionMode | None = None) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        _bag(folder / "b", storage, compression)
        (stored,) = (path for path in (folder / "b").iterdir() if path.suffix != ".yaml")
        stored.rename(folder / f"bag{stored.suffix}")
        (folder / "b/metadata.yaml").unlink()
        (folder / "b").rmdir()

    return write


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


def _scene(folder: Path) -> None:
    write_frames(folder, (0, 1, 2))
    write_ply(folder / "scene.ply")
    (folder / "scene.json").write_text(json.dumps({"rate_hz": 30.0}))


SEEDS = (
    Seed("npz dense", "masks", _dense, "m.npz"),
    Seed("npz rows", "masks", _rows, "m.npz"),
    Seed("npz truth", "truth", _truth),
    Seed("pt tensor", "masks", _tensor, "m.pt"),
    Seed("pt array", "masks", _array, "m.pt"),
    Seed("pt sparse", "masks", _sparse, "m.pt"),
    Seed("checkpoint", "weights", _checkpoint, "w.ckpt"),
    Seed("safetensors", "weights", _safetensors, "w.safetensors"),
    Seed("ply binary", "cloud", lambda folder: write_ply(folder / "c.ply"), "c.ply"),
    Seed("ply text", "cloud", _text_ply, "c.ply"),
    Seed("png", "picture", _picture(".png"), "p.png"),
    Seed("jpeg", "picture", _picture(".jpg"), "p.jpg"),
    Seed("tiff", "picture", _picture(".tiff"), "p.tiff"),
    Seed("webp", "picture", _picture(".webp"), "p.webp"),
    Seed("yaml", "settings",
         lambda folder: (folder / "s.yaml").write_bytes(PRESET.read_bytes()), "s.yaml"),
    Seed("mcap", "source", _bag_file("MCAP"), "bag.mcap"),
    Seed("mcap zstd", "source", _bag_file("MCAP", CompressionMode.STORAGE), "bag.mcap"),
    Seed("db3", "source", _bag_file("SQLITE3"), "bag.db3"),
    Seed("bag folder", "source", lambda folder: _bag(folder / "b", "MCAP", None), "b"),
    Seed("scene folder", "source", _scene),
    Seed("scannet", "scannet", write_scannet),
    Seed("scannet sens", "scannet", lambda folder: write_scannet(folder, layout="sens")),
    Seed("scannetpp", "scannetpp", write_scannetpp),
    Seed("replica", "replica", write_replica),
    Seed("single views", "views", _views),
    Seed("queries", "queries", _queries, "q.json"),
    Seed("record", "record", _record, "r.json"),
    Seed("map", "map", lambda folder: save_scene(make_scene(), folder / "map"), "map"),
    Seed("map with keyframes", "map with keyframes",
         lambda folder: save_scene(make_scene(), folder / "map", make_keyframes()), "map"),
)  # fmt: skip

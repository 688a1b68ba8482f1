"""Recordings in bags and in the layouts of folders."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from helpers.bag_maker import OPTICAL, BagMaker
from helpers.dataset_maker import write_replica, write_scannet, write_scannetpp
from helpers.layouts import WRITERS
from helpers.recorded_scene import HEIGHT, WIDTH, K, color_of, depth_of, pose_of, write_ply
from helpers.recorded_scene import write_scene as write_frames
from helpers.ros1_bag import write_ros1
from rosbags.rosbag2 import CompressionMode

from fuzz.seed import Seed
from om3d_core.formats.image_fields import encode_image

RECORDED_NS = 1_700_000_000_000_000_000
LAYOUTS = ("pose_lines", "tum", "sens", "scannetpp", "seven_scenes", "open3d", "nerfstudio",
           "polycam", "arkitscenes", "colmap")  # fmt: skip


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


def _scene(folder: Path) -> None:
    write_frames(folder, (0, 1, 2))
    write_ply(folder / "scene.ply")
    (folder / "scene.json").write_text(json.dumps({"rate_hz": 30.0}))


def _r3d(folder: Path) -> None:
    unpacked = WRITERS["record3d"](folder / "unpacked")
    files = [path for path in sorted(unpacked.rglob("*")) if path.is_file()]
    with zipfile.ZipFile(folder / "r.r3d", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(unpacked))
            path.unlink()


SEEDS = (
    Seed("mcap", "source", _bag_file("MCAP"), "bag.mcap"),
    Seed("mcap zstd", "source", _bag_file("MCAP", CompressionMode.STORAGE), "bag.mcap"),
    Seed("db3", "source", _bag_file("SQLITE3"), "bag.db3"),
    Seed("bag folder", "source", lambda folder: _bag(folder / "b", "MCAP", None), "b"),
    Seed("bag ros1", "source", lambda folder: write_ros1(folder / "a.bag", range(3)), "a.bag"),
    Seed("bag ros1 bz2", "source",
         lambda folder: write_ros1(folder / "a.bag", range(3), "BZ2"), "a.bag"),
    Seed("scene folder", "source", _scene),
    *(Seed(name, "source", lambda folder, name=name: WRITERS[name](folder / "scan"), "scan")
      for name in LAYOUTS),
    Seed("r3d", "source", _r3d, "r.r3d"),
    Seed("scannet", "scannet", write_scannet),
    Seed("scannet sens", "scannet", lambda folder: write_scannet(folder, layout="sens")),
    Seed("scannetpp labels", "scannetpp", write_scannetpp),
    Seed("replica labels", "replica", write_replica),
)  # fmt: skip

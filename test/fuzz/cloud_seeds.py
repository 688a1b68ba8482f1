"""Clouds and meshes in every file that they are read from."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from helpers.recorded_scene import write_ply

from fuzz.seed import Seed

N = 60
ROWS = np.random.default_rng(0).random((N, 6)).astype("<f4")
NAMES = ("x", "y", "z", "nx", "ny", "nz")
CORNERS = np.arange(N).reshape(-1, 3)


def _lines(rows: np.ndarray, before: str = "") -> str:
    return "".join(before + " ".join(f"{value:.3f}" for value in row) + "\n" for row in rows)


def _text_ply(folder: Path) -> None:
    names = "".join(f"property float {name}\n" for name in NAMES)
    head = f"ply\nformat ascii 1.0\ncomment of a test\nelement vertex {N}\n{names}end_header\n"
    (folder / "c.ply").write_text(head + _lines(ROWS))


def _text_mesh(folder: Path) -> None:
    names = "".join(f"property float {name}\n" for name in NAMES)
    head = (f"ply\nformat ascii 1.0\nelement vertex {N}\n{names}element face {len(CORNERS)}\n"
            "property list uchar int vertex_indices\nend_header\n")  # fmt: skip
    faces = "".join("3 {} {} {}\n".format(*face) for face in CORNERS)
    (folder / "m.ply").write_text(head + _lines(ROWS) + faces)


def _binary_mesh(folder: Path) -> None:
    names = "".join(f"property float {name}\n" for name in NAMES)
    head = (f"ply\nformat binary_little_endian 1.0\nelement vertex {N}\n{names}"
            f"element face {len(CORNERS)}\nproperty list uchar int vertex_indices\n"
            "end_header\n")  # fmt: skip
    faces = b"".join(struct.pack("<B3i", 3, *face) for face in CORNERS)
    (folder / "m.ply").write_bytes(head.encode() + ROWS.tobytes() + faces)


def _obj(folder: Path) -> None:
    faces = "".join("f {}//1 {}//1 {}//1\n".format(*face) for face in CORNERS + 1)
    (folder / "m.obj").write_text(f"mtllib m.mtl\n{_lines(ROWS, 'v ')}vn 0 0 1\n{faces}")


def _text_stl(folder: Path) -> None:
    facets = "".join(
        f"facet normal 0 0 1\nouter loop\n{_lines(ROWS[face, :3], 'vertex ')}endloop\nendfacet\n"
        for face in CORNERS
    )
    (folder / "m.stl").write_text(f"solid test\n{facets}endsolid test\n")


def _binary_stl(folder: Path) -> None:
    facets = b"".join(
        bytes(12) + ROWS[face, :3].tobytes() + bytes(2) for face in CORNERS
    )
    head = b"made by a test".ljust(80) + struct.pack("<I", len(CORNERS))
    (folder / "m.stl").write_bytes(head + facets)


def _pcd(kind: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        head = (f"# .PCD v0.7\nVERSION 0.7\nFIELDS {' '.join(NAMES)}\nSIZE 4 4 4 4 4 4\n"
                f"TYPE F F F F F F\nCOUNT 1 1 1 1 1 1\nWIDTH {N}\nHEIGHT 1\n"
                f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {N}\nDATA {kind}\n")  # fmt: skip
        body = {
            "ascii": _lines(ROWS).encode(), "binary": ROWS.tobytes(),
            "binary_compressed": _lzf(np.ascontiguousarray(ROWS.T).tobytes()),
        }[kind]  # fmt: skip
        (folder / "c.pcd").write_bytes(head.encode() + body)

    return write


def _lzf(data: bytes) -> bytes:
    """Literals only, after both sizes."""
    packed = b"".join(
        bytes([len(data[at : at + 32]) - 1]) + data[at : at + 32] for at in range(0, len(data), 32)
    )
    return struct.pack("<II", len(packed), len(data)) + packed


def _npz(folder: Path) -> None:
    np.savez_compressed(folder / "c.npz", points=ROWS[:, :3], colors=ROWS[:, 3:])


SEEDS = (
    Seed("ply binary", "cloud", lambda folder: write_ply(folder / "c.ply"), "c.ply"),
    Seed("ply text", "cloud", _text_ply, "c.ply"),
    Seed("pcd text", "cloud", _pcd("ascii"), "c.pcd"),
    Seed("pcd binary", "cloud", _pcd("binary"), "c.pcd"),
    Seed("pcd compressed", "cloud", _pcd("binary_compressed"), "c.pcd"),
    Seed("npz cloud", "cloud", _npz, "c.npz"),
    Seed("ply mesh", "mesh", _binary_mesh, "m.ply"),
    Seed("ply mesh text", "mesh", _text_mesh, "m.ply"),
    Seed("obj", "mesh", _obj, "m.obj"),
    Seed("stl binary", "mesh", _binary_stl, "m.stl"),
    Seed("stl text", "mesh", _text_stl, "m.stl"),
)

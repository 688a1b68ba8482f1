"""PLY vertices: every type, order and encoding; what is truncated or lies is refused."""
from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import open3d as o3d
import pytest
from fuzz.probe import Probe
from helpers import bombs
from helpers.bounds import assert_refused
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import unit_normals
from om3d_core.errors import SourceError
from om3d_core.formats.ply import read_ply
from om3d_core.formats.ply_faces import read_face_property

KINDS = {
    "char": "i1", "uint8": "u1", "short": "i2", "ushort": "u2", "int32": "i4", "uint": "u4",
    "float": "f4", "float32": "f4", "double": "f8",
}
ENCODINGS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "<"}


def write(path, columns, encoding):
    """Write named columns of (type, values) as the vertices of a PLY file."""
    count = len(next(iter(columns.values()))[1])
    lines = ["ply", f"format {encoding} 1.0", "comment a test", f"element vertex {count}"]
    lines += [f"property {kind} {name}" for name, (kind, _) in columns.items()]
    head = "\n".join([*lines, "end_header", ""]).encode()
    order = ENCODINGS[encoding]
    rows = np.zeros(count, [(name, order + KINDS[kind]) for name, (kind, _) in columns.items()])
    for name, (_, values) in columns.items():
        rows[name] = values
    if encoding == "ascii":
        body = "".join(" ".join(repr(v.item()) for v in row) + "\n" for row in rows).encode()
    else:
        body = rows.tobytes()
    path.write_bytes(head + body)


@st.composite
def vertices(draw):
    """Columns in any order: x, y, z, perhaps colors and normals, and others between them."""
    count = draw(st.integers(0, 5))
    whole = st.lists(st.integers(0, 120), min_size=count, max_size=count)
    columns = {name: (draw(st.sampled_from(sorted(KINDS))), draw(whole)) for name in "xyz"}
    if draw(st.booleans()):
        columns |= {n: ("uint8", draw(whole)) for n in ("red", "green", "blue")}
    if draw(st.booleans()):
        columns |= {n: ("double", draw(whole)) for n in ("nx", "ny", "nz")}
    columns |= {n: ("short", draw(whole)) for n in draw(st.sets(st.sampled_from("abc")))}
    return {name: columns[name] for name in draw(st.permutations(list(columns)))}


@given(columns=vertices(), encoding=st.sampled_from(sorted(ENCODINGS)))
@settings(max_examples=150, deadline=None)
def test_what_was_written_is_read(tmp_path_factory, columns, encoding):
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    write(path, columns, encoding)
    cloud = read_ply(path)
    for names, got in (("x y z", cloud.points), ("red green blue", cloud.colors),
                       ("nx ny nz", cloud.normals)):
        zero = ("", np.zeros(len(columns["x"][1])))
        expected = np.stack([columns.get(name, zero)[1] for name in names.split()], axis=1)
        if names == "nx ny nz":
            expected = unit_normals(expected.astype(np.float32))
        assert np.array_equal(got, expected)
    assert (cloud.points.dtype, cloud.colors.dtype) == (np.float32, np.uint8)


def test_agrees_with_open3d(tmp_path):
    rng = np.random.default_rng(0)
    written = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(rng.normal(size=(40, 3))))
    written.colors = o3d.utility.Vector3dVector(rng.integers(0, 256, (40, 3)) / 255.0)
    written.normals = o3d.utility.Vector3dVector(np.tile([0.0, 0.6, 0.8], (40, 1)))
    for text in (False, True):
        o3d.io.write_point_cloud(str(tmp_path / "a.ply"), written, write_ascii=text)
        cloud = read_ply(tmp_path / "a.ply")
        np.testing.assert_allclose(cloud.points, np.asarray(written.points), atol=1e-5)
        np.testing.assert_array_equal(cloud.colors, np.rint(np.asarray(written.colors) * 255))
        np.testing.assert_allclose(cloud.normals, np.asarray(written.normals), atol=1e-6)


def test_colors_as_floats_and_what_is_not_finite(tmp_path):
    nan, inf = float("nan"), float("inf")
    columns = {
        "x": ("double", [0, nan, 2, 1e300]), "y": ("float", [0, 1, 2, 3]),
        "z": ("float", [0, 1, 2, 3]), "red": ("float", [0.5, 1, nan, 0]),
        "green": ("float", [2.0, 1, inf, 0]), "blue": ("float", [-1.0, 1, 1, 0]),
        "nx": ("float", [nan, 0, 0, 0]), "ny": ("float", [1, 0, 0, 0]),
        "nz": ("float", [0, 0, 1, 0]),
    }
    write(tmp_path / "a.ply", columns, "binary_little_endian")
    cloud = read_ply(tmp_path / "a.ply")
    assert cloud.points.tolist() == [[0, 0, 0], [2, 2, 2]]
    assert cloud.colors.tolist() == [[128, 255, 0], [0, 0, 255]]
    assert cloud.normals.tolist() == [[0, 0, 0], [0, 0, 1]]


def test_a_file_cut_short_is_refused_at_every_length(tmp_path):
    path = tmp_path / "a.ply"
    write(path, {name: ("float", [1, 2, 3]) for name in "xyz"}, "binary_big_endian")
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(SourceError, match=r"a\.ply"):
            read_ply(path)
    with pytest.raises(SourceError, match="found none"):
        read_ply(tmp_path / "none.ply")


@given(st.binary(max_size=120), st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_cloud_or_a_source_error(tmp_path_factory, noise, at):
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    write(path, {name: ("float", [1, 2]) for name in "xyz"}, "ascii")
    content = path.read_bytes()
    path.write_bytes(content[:at] + noise + content[at + len(noise):])
    try:
        cloud = read_ply(path)
    except SourceError:
        return
    assert np.isfinite(cloud.points).all()


PLY_HEAD = "ply\nformat {} 1.0\nelement vertex {}\nproperty float x\nproperty float y\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ply\n",
        b"\xff" * 100,
        b"ply\nformat ascii 1.0\n" + b"comment\n" * 10_000,
        (PLY_HEAD.format("ascii", 1) + "end_header\n1 2\n").encode(),
        (PLY_HEAD.format("ascii", 10**12) + "property float z\nend_header\n1 2 3\n").encode(),
        (PLY_HEAD.format("ascii", 2) + "property float z\nend_header\n1 2 3\n").encode(),
        (PLY_HEAD.format("ascii", 1) + "property float z\nend_header\n1 2 x\n").encode(),
        (PLY_HEAD.format("ascii", "x") + "property float z\nend_header\n").encode(),
        (PLY_HEAD.format("ascii", -1) + "property float z\nend_header\n").encode(),
        (PLY_HEAD.format("pickle", 1) + "property float z\nend_header\n").encode(),
        (
            PLY_HEAD.format("binary_little_endian", 10**9) + "property float z\nend_header\n"
        ).encode(),
        (PLY_HEAD.format("ascii", 1) + "property list uchar int z\nend_header\n1 2 3\n").encode(),
        (PLY_HEAD.format("ascii", 1) + "property float x\nend_header\n1 2 3\n").encode(),
    ],
)
def test_what_lies_is_refused(tmp_path, content):
    (tmp_path / "scene.ply").write_bytes(content)
    with pytest.raises(SourceError, match=r"scene\.ply: expected a readable PLY file, got"):
        read_ply(tmp_path / "scene.ply")


XYZ = "property float x\nproperty float y\nproperty float z\n"


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no PLY header"),
        ("ply\n", "no PLY header"),
        ("ply\ncomment a\ncomment b\nend_header\n", "format ''"),
        ("ply\nformat\nelement vertex 1\n" + XYZ + "end_header\n0 0 0\n", "format ''"),
        ("ply\nformat ascii 1.0\nelement vertex\n" + XYZ + "end_header\n", "'element vertex'"),
        ("ply\nformat ascii 1.0\nelement\nend_header\n", "'element' without a name and a count"),
        ("ply\nformat ascii 1.0\nelement vertex -1\n" + XYZ + "end_header\n", "vertex -1"),
        ("ply\nformat ascii 1.0\n" + XYZ + "end_header\n", "before the first element"),
        ("ply\nformat ascii 1.0\nelement vertex 1\nproperty\nend_header\n0\n", "property"),
        ("ply\nformat ascii 1.0\nelement vertex 9" + "9" * 40 + "\n" + XYZ + "end_header\n",
         "vertices in a file"),
        ("ply\nformat binary_little_endian 1.0\nelement vertex 5\nend_header\n", "without x, y"),
        ("ply\nformat ascii 1.0\nelement vertex 1\n" + XYZ + "end_header\n1e37 0 0\n",
         "within 16384 m .* a coordinate of 1e.37"),
        ("ply\nformat ascii 1.0\nelement vertex 1\n" + XYZ + "end_header\n0 x 0\n", "readable"),
    ],
)  # fmt: skip
def test_a_header_at_fault_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=rf"c\.ply: .*{message}"):
        read_ply(write_text(tmp_path / "c.ply", text))


def test_units_and_normals(tmp_path: Path) -> None:
    names = XYZ + "".join(f"property float n{a}\n" for a in "xyz")
    rows = "1000 -2000 30000 0 0 5\n1 2 3 nan 0 1\n"
    text = f"ply\nformat ascii 1.0\nelement vertex 2\n{names}end_header\n{rows}"
    cloud = read_ply(write_text(tmp_path / "mm.ply", text), units_per_m=1000.0)
    np.testing.assert_allclose(cloud.points[0], [1, -2, 30])
    assert cloud.normals.tolist() == [[0, 0, 1], [0, 0, 0]]
    with pytest.raises(SourceError, match="in meters within 16384 m"):
        read_ply(tmp_path / "mm.ply")


@pytest.mark.parametrize("reach", [1e37, 5e5])
def test_clouds_without_bounds_are_refused(tmp_path: Path, probe: Probe, reach: float) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (100_000, 3)) * reach
    assert_refused(
        probe, "cloud", bombs.ply(tmp_path / "far.ply", points), "points in meters within 16384 m"
    )


def mesh(path: Path, faces: bytes, n_faces: int, count: str = "uchar") -> Path:
    head = (f"ply\nformat binary_little_endian 1.0\nelement vertex 4\n{XYZ}"
            f"element face {n_faces}\nproperty list {count} int vertex_indices\n"
            "property short object_id\nend_header\n")  # fmt: skip
    path.write_bytes(head.encode() + bytes(48) + faces)
    return path


def test_faces_of_changing_corners_take_no_longer(tmp_path: Path) -> None:
    triangle = b"\x03" + np.array([0, 1, 2], "<i4").tobytes() + b"\xfe\xff"
    quad = b"\x04" + np.array([0, 1, 2, 3], "<i4").tobytes() + b"\x07\x00"
    read_face_property(mesh(tmp_path / "few.ply", triangle + quad, 2), "object_id")
    path = mesh(tmp_path / "many.ply", (triangle + quad) * 100_000, 200_000)
    start = time.process_time()
    found = read_face_property(path, "object_id")
    assert time.process_time() - start < 1.0
    assert found.corners.tolist() == [0, 1, 2, 0, 1, 2, 3] * 100_000
    assert found.values.tolist() == [-2, -2, -2, 7, 7, 7, 7] * 100_000


@pytest.mark.parametrize(
    ("faces", "n_faces", "count", "message"),
    [
        (b"", 1, "uchar", "in .* bytes"),
        (b"\x03" + bytes(13), 1, "uchar", "truncated faces"),
        (b"\xff\xff\xff\xff" + bytes(20), 1, "int", "truncated faces"),
        (b"\xff" * 8 + bytes(20), 1, "double", "no integer"),
        (b"\x03" + bytes(14), 10**15, "uchar", "in .* bytes"),
        (b"\x03" + bytes(14), 1, "thing", "no integer"),
    ],
)
def test_faces_that_lie(
    tmp_path: Path, faces: bytes, n_faces: int, count: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        read_face_property(mesh(tmp_path / "m.ply", faces, n_faces, count), "object_id")

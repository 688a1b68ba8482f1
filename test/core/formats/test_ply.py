"""PLY vertices: every type, order and encoding; what is truncated or lies is refused."""

from __future__ import annotations

import numpy as np
import open3d as o3d
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.errors import SourceError
from om3d_core.formats.ply import read_ply

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

"""Clouds as programs write them: .ply of all sorts, .pcd, .npz, meshes."""

from __future__ import annotations

import re

import numpy as np
import open3d as o3d
import pytest

from om3d_core.errors import SourceError
from om3d_core.formats.cloud_files import read_cloud

N = 200
RNG = np.random.default_rng(3)
POINTS = RNG.uniform(-2, 2, (N, 3)).astype("<f4")
COLORS = RNG.integers(0, 256, (N, 3)).astype(np.uint8)
COLORS[0], COLORS[1] = 255, 0
PACKED = (COLORS.astype("<u4") << [16, 8, 0]).sum(axis=1).astype("<u4")
NAMES = ("red", "green", "blue")


def ply(path, fields, before="", body_before=b"", comment=""):
    """A binary PLY of (property line, values) as its vertices, after another element."""
    record = np.zeros(N, [(line.split()[-1], values.dtype) for line, values in fields])
    for line, values in fields:
        record[line.split()[-1]] = values
    head = f"ply\nformat binary_little_endian 1.0\n{comment}{before}element vertex {N}\n"
    head += "".join(f"property {line}\n" for line, _ in fields) + "end_header\n"
    path.write_bytes(head.encode() + body_before + record.tobytes())
    return path


PLACES = [(f"float {axis}", POINTS[:, i]) for i, axis in enumerate("xyz")]


def colored(kind, values, names=NAMES):
    return [*PLACES, *((f"{kind} {name}", values[:, i]) for i, name in enumerate(names))]


VARIANTS = {
    "bytes": colored("uchar", COLORS),
    "shares": colored("float", (COLORS / 255).astype("<f4")),
    "floats of bytes": colored("float", COLORS.astype("<f4")),
    "words": colored("ushort", COLORS.astype("<u2") * 257),
    "words of bytes": colored("ushort", COLORS.astype("<u2")),
    "diffuse": colored("uchar", COLORS, [f"diffuse_{name}" for name in NAMES]),
    "r g b": colored("uchar", COLORS, "rgb"),
    "packed float": [*PLACES, ("float rgb", PACKED.view("<f4"))],
    "packed integer": [*PLACES, ("uint rgba", PACKED)],
    "upper case": [(line.upper().replace("FLOAT ", "float ").replace("UCHAR ", "uchar "), values)
                   for line, values in colored("uchar", COLORS)],
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_colors_are_the_same_however_they_are_written(tmp_path, name):
    cloud = read_cloud(ply(tmp_path / "a.ply", VARIANTS[name]))
    assert np.array_equal(cloud.points, POINTS) and np.array_equal(cloud.colors, COLORS)


FACES = (
    "element face 2\nproperty uchar flags\nproperty list uchar int vertex_indices\n",
    b"\x01\x03" + np.array([0, 1, 2], "<i4").tobytes()
    + b"\x02\x04" + np.array([3, 4, 5, 6], "<i4").tobytes(),
)  # fmt: skip


def test_gaussian_splats_have_colors(tmp_path):
    path = tmp_path / "splats.ply"
    names = ("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity")
    header = "".join(f"property float {name}\n" for name in names)
    rows = "0 0 0 0 0.8862269 -1.7724539 1\n0 0 1 9 -9 nan 1\n"
    path.write_text(f"ply\nformat ascii 1.0\nelement vertex 2\n{header}end_header\n{rows}")
    np.testing.assert_array_equal(read_cloud(path).colors, [[128, 191, 0], [255, 0, 0]])


@pytest.mark.parametrize("suffix", ["ply", "obj", "npz"])
def test_an_origin_is_taken_off_before_digits_are_lost(tmp_path, suffix):
    origin, near = (500123.0, 5300457.0, 514.0), np.array([[0.25, 0, 1], [2, 0.001, 0], [0, 1, 0]])
    path = tmp_path / f"scene.{suffix}"
    for points in (near + origin, near):
        rows = ["{:.4f} {:.4f} {:.4f}".format(*point) for point in points]
        if suffix == "npz":
            np.savez(path, points=points)
        elif suffix == "obj":
            path.write_text("".join(f"v {row}\n" for row in rows))
        else:
            head = "".join(f"property double {name}\n" for name in "xyz")
            path.write_text("ply\nformat ascii 1.0\nelement vertex 3\n" + head + "end_header\n"
                            + "\n".join(rows) + "\n")
        cloud = read_cloud(path, origin_m=origin)
        np.testing.assert_allclose(cloud.points, near, atol=1e-6)
    moved = read_cloud(path, origin_m=(1.0, 0.0, 0.0))
    np.testing.assert_allclose(moved.points, near - [1, 0, 0], atol=1e-6)


def test_faces_before_the_vertices_and_comments_of_any_language_are_passed_over(tmp_path):
    path = ply(tmp_path / "a.ply", colored("uchar", COLORS), *FACES, "comment Büro, 机器人\n")
    assert np.array_equal(read_cloud(path).points, POINTS)
    content = path.read_bytes().replace("Büro".encode(), "Büro".encode("latin-1"))
    path.write_bytes(content)
    assert np.array_equal(read_cloud(path).colors, COLORS)


def test_lists_in_vertices_are_passed_over(tmp_path):
    head = (f"ply\nformat binary_big_endian 1.0\nelement vertex {N}\nproperty float x\n"
            "property list uint8 uint16 views\nproperty float y\nproperty float z\n"
            + "".join(f"property uchar {name}\n" for name in NAMES) + "end_header\n")  # fmt: skip
    rows = b"".join(
        POINTS[i, :1].astype(">f4").tobytes() + bytes([i % 4]) + bytes(2 * (i % 4))
        + POINTS[i, 1:].astype(">f4").tobytes() + COLORS[i].tobytes()
        for i in range(N)
    )  # fmt: skip
    path = tmp_path / "a.ply"
    path.write_bytes(head.encode() + rows)
    cloud = read_cloud(path)
    assert np.array_equal(cloud.points, POINTS) and np.array_equal(cloud.colors, COLORS)
    for length in range(len(head), len(head) + len(rows), 97):
        path.write_bytes((head.encode() + rows)[:length])
        with pytest.raises(SourceError, match=r"a\.ply: .*(truncated|bytes)"):
            read_cloud(path)


def test_text_with_faces_first_and_lists(tmp_path):
    path = tmp_path / "a.ply"
    path.write_text(
        "ply\nformat ascii 1.0\nelement face 1\nproperty list uchar int vertex_indices\n"
        "element vertex 2\nproperty float x\nproperty list uchar int views\nproperty float y\n"
        "property float z\nend_header\n3 0 1 0\n1 2 7 8 2 3\n\n4 0 5 6\n"
    )
    assert read_cloud(path).points.tolist() == [[1, 2, 3], [4, 5, 6]]
    for wrong in ("1 9 7 8 2 3", "1 2 7 8 2 3 4", "1 2 7"):
        path.write_text(path.read_text().replace("1 2 7 8 2 3", wrong))
        with pytest.raises(SourceError, match=r"a\.ply"):
            read_cloud(path)
        path.write_text(path.read_text().replace(wrong, "1 2 7 8 2 3"))


@pytest.mark.parametrize(("kind", "count"), [("char", -1), ("uint", -1), ("uint", 1 << 30)])
def test_lists_that_lie_about_their_length_are_refused(tmp_path, kind, count):
    before = f"element face 1\nproperty list {kind} int vertex_indices\n"
    head = np.int64(count).tobytes()[: 1 if kind == "char" else 4]
    with pytest.raises(SourceError, match="truncated rows"):
        read_cloud(ply(tmp_path / "a.ply", PLACES, before, head))


@pytest.mark.parametrize(
    ("text", "compressed"), [(True, False), (False, False), (False, True)]
)  # fmt: skip
def test_a_pcd_is_read_as_open3d_writes_it(tmp_path, text, compressed):
    written = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.repeat(POINTS, 4, axis=0)))
    written.colors = o3d.utility.Vector3dVector(np.repeat(COLORS, 4, axis=0) / 255.0)
    written.normals = o3d.utility.Vector3dVector(np.tile([0.0, 0.6, 0.8], (4 * N, 1)))
    path = tmp_path / "a.pcd"
    o3d.io.write_point_cloud(str(path), written, write_ascii=text, compressed=compressed)
    cloud = read_cloud(path)
    np.testing.assert_allclose(cloud.points, np.asarray(written.points), atol=1e-4)
    np.testing.assert_allclose(cloud.normals[0], [0, 0.6, 0.8], atol=1e-4)
    off = np.abs(cloud.colors.astype(int) - np.repeat(COLORS, 4, axis=0))
    assert off.max() <= 1
    content = path.read_bytes()
    for length in range(0, len(content) - 1, len(content) // 40):
        path.write_bytes(content[:length])
        with pytest.raises(SourceError, match=r"a\.pcd"):
            read_cloud(path)


PCD = ("VERSION 0.7\nFIELDS x y z _ rgb\nSIZE 4 4 4 1 4\nTYPE F F F U F\nCOUNT 1 1 1 4 1\n"
       "WIDTH 1\nHEIGHT 1\nPOINTS 1\nDATA ascii\n")  # fmt: skip


def test_a_pcd_of_pcl_with_padding_and_packed_color(tmp_path):
    path = tmp_path / "a.pcd"
    path.write_text(f"# .PCD v0.7\n{PCD}1000 2000 3000 0 0 0 0 4.2108e+06\n")
    cloud = read_cloud(path, units_per_m=1000.0)
    assert cloud.points.tolist() == [[1, 2, 3]]
    assert cloud.colors.tolist() == [[128, 128, 224]]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("POINTS 1", "POINTS 99999999999", "at most 50000000 points"),
        ("POINTS 1", "POINTS 100", "points|rows"),
        ("DATA ascii", "DATA zip", "DATA of ascii"),
        ("TYPE F F F U F", "TYPE F F F Q F", "TYPE of F, I or U"),
        ("COUNT 1 1 1 4 1", "COUNT 1 1 1 9999 1", "counts of"),
        ("FIELDS x y z _ rgb", "FIELDS a y z _ rgb", "x, y, z"),
        ("SIZE 4 4 4 1 4", "SIZE 4 4", "readable PCD"),
        ("FIELDS", "NAMES", "none of FIELDS"),
        ("DATA ascii", "DATA binary", "bytes of 1 points"),
        ("DATA ascii", "DATA binary_compressed", "bytes of 1 points"),
    ],
)
def test_a_pcd_that_lies_is_refused(tmp_path, old, new, said):
    path = tmp_path / "a.pcd"
    path.write_text(PCD.replace(old, new) + "1 2 3 0 0 0 0 0\n")
    with pytest.raises(SourceError, match=rf"a\.pcd: .*({said})"):
        read_cloud(path)


def test_a_npz_is_read_and_what_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, xyz=POINTS * 1000, rgb=COLORS / 255, normals=np.tile([0, 0, 2.0], (N, 1)))
    cloud = read_cloud(path, units_per_m=1000.0)
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-6)
    assert np.array_equal(cloud.colors, COLORS) and cloud.normals[0].tolist() == [0, 0, 1]
    for arrays, said in (
        ({"points": POINTS[:, :2]}, r"shape \(P, 3\)"),
        ({"points": POINTS, "colors": COLORS[:4]}, "as many rows"),
        ({"colors": COLORS}, "an array points"),
        ({"depth": POINTS}, "expected one of the arrays"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(SourceError, match=rf"a\.npz: .*{said}"):
            read_cloud(path)
    for name, said in (("b.npz", "found none"), ("b.las", "ends in .ply, .pcd, .npz, .obj, .stl")):
        with pytest.raises(SourceError, match=said):
            read_cloud(tmp_path / name)


def test_a_mesh_is_sampled_evenly_on_its_faces(tmp_path):
    box = o3d.geometry.TriangleMesh.create_box(1.0, 2.0, 0.5)
    box.paint_uniform_color([1.0, 0.0, 0.0])
    path = tmp_path / "a.ply"
    o3d.io.write_triangle_mesh(str(path), box)
    assert len(read_cloud(path)) == 8
    cloud = read_cloud(path, sampling_m=0.05)
    assert len(cloud) == pytest.approx(7.0 / 0.05**2, abs=1)
    assert (cloud.colors == [255, 0, 0]).all()
    top = cloud.points[:, 2] > 0.4999
    assert top.sum() == pytest.approx(2.0 / 0.05**2, rel=0.02)
    assert np.abs(cloud.normals[top, 2]).min() > 0.999
    grid = np.floor(cloud.points[top, :2] / 0.25).astype(int)
    _, counts = np.unique(grid, axis=0, return_counts=True)
    assert len(counts) == 32 and counts.min() > 0.6 * counts.max()
    assert np.array_equal(read_cloud(path, sampling_m=0.05).points, cloud.points)
    for spacing_m, said in ((3.0, "faces of more than"), (1e-5, "at most 50000000 samples")):
        with pytest.raises(SourceError, match=said):
            read_cloud(path, sampling_m=spacing_m)


@pytest.mark.parametrize(("name", "text"), [("b.ply", True), ("b.obj", True), ("b.stl", False)])
def test_meshes_of_other_files_are_sampled_as_that_of_a_binary_ply(tmp_path, name, text):
    box = o3d.geometry.TriangleMesh.create_box(1.0, 2.0, 0.5)
    box.paint_uniform_color([1.0, 0.0, 0.0])
    box.compute_triangle_normals()
    for file, ascii_ in (("a.ply", False), (name, text)):
        o3d.io.write_triangle_mesh(str(tmp_path / file), box, write_ascii=ascii_)
    assert len(read_cloud(tmp_path / name)) == 8
    expected = read_cloud(tmp_path / "a.ply", sampling_m=0.05)
    cloud = read_cloud(tmp_path / name, 2.0, sampling_m=0.025)
    np.testing.assert_allclose(cloud.bounds(), np.array(expected.bounds()) / 2, atol=0.01)
    assert len(cloud) == len(expected)
    if name != "b.stl":
        np.testing.assert_allclose(cloud.points, expected.points / 2, atol=1e-6)
        assert (cloud.colors == [255, 0, 0]).all()


OBJ = "mtllib /dev/zero\n# vertices\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvn 0 0 1\n"
STL = ("solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\n"
       "endloop\nendfacet\nendsolid a\n")  # fmt: skip


@pytest.mark.parametrize("face", ["f 1 2 3 4", "f 1//1 2//1 3//1 4//1", "f -4/1/1 -3/2/1 -2/3 -1",
                                  "f 1 2 \\\n3 4"])  # fmt: skip
def test_faces_of_an_obj_as_programs_write_them(tmp_path, face):
    path = tmp_path / "a.obj"
    path.write_text(f"{OBJ}{face}\n")
    assert len(read_cloud(path, sampling_m=0.125)) == 64


def test_an_stl_of_text_has_each_corner_once(tmp_path):
    path = tmp_path / "a.stl"
    path.write_text(STL + STL.replace("0 0 0", "1 1 0"))
    assert len(read_cloud(path)) == 4
    assert len(read_cloud(path, sampling_m=0.125)) == 64


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.obj", f"{OBJ}f 1 2 9\n", "among 4 vertices, got vertex 8"),
    ("a.obj", f"{OBJ}f 1 2 -9\n", "among 4 vertices, got vertex -5"),
    ("a.obj", f"{OBJ}f 1 2 {10**30}\n", "readable .obj mesh"),
    ("a.obj", f"{OBJ}f 1 2\n", "fewer than three corners"),
    ("a.obj", f"{OBJ}f 1 0 2\n", "corner 0"),
    ("a.obj", f"{OBJ}f a b c\n", "invalid literal"),
    ("a.obj", OBJ, "got 0 faces"),
    ("a.obj", f"{OBJ}v 1 nan 0\nf 1 2 3\n", "got NaN or infinity"),
    ("a.obj", f"{OBJ}v 1 2\n", "a vertex of 2 numbers, not 3"),
    ("a.obj", "v" + " 1" * 40_000, "a line of 65536 bytes"),
    ("a.obj", "", "no vertices"),
    ("a.stl", STL.replace("vertex 0 1 0\n", ""), "2 corners, not three a triangle"),
    ("a.stl", STL.replace("0 1 0", "0 inf 0"), "got NaN or infinity"),
    ("a.stl", STL.replace("0 1 0", "0 1"), "a vertex of 2 numbers"),
    ("a.stl", "", "0 bytes"),
    ("a.stl", "x" * 80 + "\x01\x00\x00\x00" + "x" * 49, "133 bytes, not the 134 of its 1"),
    ("a.ply", "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n"
     "property float z\nelement face 1\nproperty list uchar int vertex_index\nend_header\n"
     "0 0 0\n3 0 1 2\n", "among 1 vertices, got vertex 2"),
    ("a.ply", "ply\nformat ascii 1.0\nelement face 1\nproperty list uchar int vertex_index\n"
     f"end_header\n3 0 1 {10**30}\n", "expected a readable PLY file, got "),
])
def test_a_mesh_that_lies_is_refused(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(SourceError, match=rf"{name}: .*{re.escape(said)}"):
        read_cloud(path, sampling_m=0.05)


def test_polygons_are_sampled_and_corners_beyond_the_vertices_refused(tmp_path):
    path = ply(tmp_path / "a.ply", PLACES, *FACES)
    assert len(read_cloud(path, sampling_m=0.05)) > 100
    path.write_bytes(path.read_bytes().replace(np.int32(6).tobytes(), np.int32(N).tobytes(), 1))
    with pytest.raises(SourceError, match=f"corners among {N} vertices, got vertex {N}"):
        read_cloud(path, sampling_m=0.05)


@pytest.mark.parametrize("gap", [" ", "\u00a0", "\u0085", "\x1c"])
@pytest.mark.parametrize("long", [False, True])
def test_a_first_row_too_long_takes_no_memory_for_all_rows(tmp_path, gap, long):
    row = "1 2 3" + " " * (70_000 if long else 0) + f"{gap}1" * 20_000
    text = f"{row}\n" + "1 2 3\n" * 9_999
    head = "ply\nformat ascii 1.0\nelement vertex 10000\n"
    head += "".join(f"property float {name}\n" for name in "xyz") + "end_header\n"
    (tmp_path / "a.ply").write_bytes((head + text).encode("latin-1"))
    pcd = PCD.replace("x y z _ rgb", "x y z").replace("4 4 4 1 4", "4 4 4")
    pcd = pcd.replace("F F F U F", "F F F").replace("1 1 1 4 1", "1 1 1")
    (tmp_path / "a.pcd").write_bytes(
        (pcd.replace("POINTS 1", "POINTS 10000") + text).encode("latin-1")
    )
    for name in ("a.ply", "a.pcd"):
        with pytest.raises(SourceError, match=rf"{name}: .*a row of \d+"):
            read_cloud(tmp_path / name)

"""PLY faces: lists of any length among scalar properties; what is truncated or lies is refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from helpers.dataset_maker import write_mesh
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.errors import SourceError
from om3d_core.formats.ply_faces import read_face_property

faces_with_values = st.lists(
    st.tuples(st.lists(st.integers(0, 49), max_size=6), st.integers(-9, 9)), max_size=30
)


def mesh(path, faces, values):
    write_mesh(path, np.zeros((50, 3)), np.zeros((50, 3)), faces, values)
    return path


@given(faces_with_values)
@settings(max_examples=100, deadline=None)
def test_each_corner_carries_the_number_of_its_face(tmp_path_factory, content):
    faces, values = [face for face, _ in content], [value for _, value in content]
    path = mesh(tmp_path_factory.mktemp("mesh") / "m.ply", faces, values)
    found = read_face_property(path, "object_id")
    assert found.corners.tolist() == [corner for face in faces for corner in face]
    assert found.values.tolist() == [v for face, v in content for _ in face]


def test_long_runs_of_one_kind_and_a_change_between_them(tmp_path):
    sizes = [3] * 1000 + [4] + [3] * 500 + [5] * 2000
    faces = [list(range(i % 7, i % 7 + n)) for i, n in enumerate(sizes)]
    found = read_face_property(mesh(tmp_path / "m.ply", faces, range(len(faces))), "object_id")
    assert found.corners.tolist() == [corner for face in faces for corner in face]
    assert np.array_equal(found.values, np.repeat(np.arange(len(faces)), sizes))


def test_properties_before_and_after_the_list_in_big_endian(tmp_path):
    header = (
        "ply\nformat binary_big_endian 1.0\nelement vertex 0\nproperty float x\nelement face 2\n"
        "property ushort before\nproperty list uint8 uint vertex_index\nproperty double other\n"
        "property short after\nelement edge 1\nproperty int a\nend_header\n"
    )
    rows = struct.pack(">HB2IdhHB1Idhi", 7, 2, 5, 6, 0.5, -3, 8, 1, 9, 0.5, 4, 1)
    (tmp_path / "m.ply").write_bytes(header.encode() + rows)
    before, after = (read_face_property(tmp_path / "m.ply", n) for n in ("before", "after"))
    assert before.corners.tolist() == after.corners.tolist() == [5, 6, 9]
    assert before.values.tolist() == [7, 7, 8] and after.values.tolist() == [-3, -3, 4]


def test_a_file_cut_short_is_refused_at_every_length(tmp_path):
    content = mesh(tmp_path / "m.ply", [[0, 1, 2], [3, 4]], [7, 8]).read_bytes()
    for length in range(len(content)):
        (tmp_path / "m.ply").write_bytes(content[:length])
        with pytest.raises(SourceError, match=r"m\.ply: expected binary faces .*"):
            read_face_property(tmp_path / "m.ply", "object_id")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("object_id", "color", "no face property object_id"),
        ("vertex_indices", "corners", "vertex_indices"),
        ("binary_little_endian", "ascii", "an ASCII file"),
        ("element face 1", "element face 9999999", "9999999 faces"),
        ("element face 1", "element face -1", "element face -1"),
        ("element vertex 50", "element vertex -50", "element vertex -50"),
        ("element face 1", "element edge 1", "not vertex and face"),
        ("property list uchar int vertex_indices\n", "", "0 list properties"),
    ],
)
def test_what_lies_is_named(tmp_path, old, new, named):
    path = mesh(tmp_path / "m.ply", [[0, 1, 2]], [7])
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))
    with pytest.raises(SourceError, match=rf"m\.ply: expected binary faces .*{named}"):
        read_face_property(path, "object_id")


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(SourceError, match=r"none\.ply"):
        read_face_property(tmp_path / "none.ply", "object_id")

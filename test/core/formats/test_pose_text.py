"""Poses as people write them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.recorded_scene import pose_of

from om3d_core.data.poses import quaternion_of
from om3d_core.errors import InputError
from om3d_core.formats.pose_text import read_pose, read_pose_table

POSE = pose_of(7)
SEVEN = [*POSE[:3, 3], *quaternion_of(POSE)]


def row(numbers):
    return " ".join(repr(float(x)) for x in np.ravel(numbers))


@pytest.mark.parametrize("text", [
    row(POSE), row(POSE[:3]), row(SEVEN), f"1305031102.1 {row(SEVEN)}", str(POSE.tolist()),
    repr(POSE).replace("array", "np.array"), "; ".join(map(row, POSE)), row(POSE.T),
    row(POSE).replace(" ", ","), "\ufeff" + row(POSE),
])
def test_a_pose_is_read_however_it_is_written(tmp_path, text):
    path = tmp_path / "pose.txt"
    path.write_text(text, encoding="utf-8")
    np.testing.assert_allclose(read_pose(path), POSE, atol=1e-7)


@pytest.mark.parametrize(("text", "said"), [
    ("", "got 0 numbers"), ("1 2 3", "got 3 numbers"), ("a " * 16, "got 'a'"),
    ("0 0 0 0 0 0 0", "unit quaternion"), (row(SEVEN).replace(" ", " x ", 1), "got 'x'"),
])
def test_what_is_no_pose_is_said(tmp_path, text, said):
    path = tmp_path / "pose.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_pose(path)


@pytest.mark.parametrize("write", [
    lambda p: row(p[:3]), lambda p: row(p), lambda p: row([*p[:3, 3], *quaternion_of(p)]),
    lambda p: "0 0 1\n" + "\n".join(map(row, p)), lambda p: "\n".join(map(row, p)),
])
def test_a_table_of_poses_in_order(tmp_path, write):
    path = tmp_path / "poses.txt"
    path.write_text("# comment\n\n" + "\n".join(write(pose_of(n)) for n in range(4)))
    table = read_pose_table(path)
    assert table.stamps_ns is None
    np.testing.assert_allclose(table.poses, [pose_of(n) for n in range(4)], atol=1e-7)


def test_a_table_of_stamped_poses(tmp_path):
    path = tmp_path / "poses.txt"
    path.write_text("\n".join(f"{n / 8} {row(SEVEN)}" for n in range(3)))
    table = read_pose_table(path)
    assert table.stamps_ns is not None
    assert table.stamps_ns.tolist() == [0, 125_000_000, 250_000_000]


@pytest.mark.parametrize(("text", "said"), [
    ("", "1 .. 1000000 lines"), ("1 2 3\n1 2 3 4", "lines of 3, 4 numbers"),
    (f"-1 {row(SEVEN)}", "not negative"), (f"nan {row(SEVEN)}", "seconds"),
    (f"1 {row(SEVEN)}\nx", "line 2: .*'x'"), ("1 2 3 4 5 6 7", "pose 1: .*unit quaternion"),
])
def test_what_is_no_table_is_said(tmp_path, text, said):
    path = tmp_path / "poses.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_pose_table(path)

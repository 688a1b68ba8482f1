"""What is converted reads back as it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.layouts import WRITERS, N
from helpers.recorded_scene import write_ply

from om3d_core import cli
from om3d_core.errors import SourceError
from om3d_core.sources.folder import FolderSource
from om3d_core.sources.folder_writer import FolderWriterSettings, write_folder
from om3d_core.sources.open import open_source


def assert_same(first, second, color_atol=0):
    pairs = list(zip(first, second, strict=True))
    assert len(pairs) == N
    for a, b in pairs:
        assert np.abs(a.rgb.astype(int) - b.rgb).mean() <= color_atol
        np.testing.assert_allclose(a.depth, b.depth, atol=5.1e-4)
        np.testing.assert_allclose(a.map_from_camera, b.map_from_camera, atol=1e-12)
        assert (a.intrinsics, a.stamp_ns) == (b.intrinsics, b.stamp_ns)


@pytest.mark.parametrize("name", ["own", "tum", "record3d"])
def test_a_recording_is_the_same_after_it(tmp_path, name, capsys):
    path, out = WRITERS[name](tmp_path / "in"), tmp_path / "made" / "out"
    assert cli.main(["convert", str(path), str(out)]) == 0
    assert f"{N} frames" in capsys.readouterr().out
    assert (out / "intrinsics.txt").is_file() and not (out / "intrinsics").exists()
    assert_same(open_source(path), open_source(out))


def test_cameras_that_differ_stay(tmp_path):
    path, out = WRITERS["polycam"](tmp_path / "in"), tmp_path / "out"
    first = min((path / "keyframes/corrected_cameras").iterdir())
    camera = json.loads(first.read_text())
    first.write_text(json.dumps({**camera, "fx": 33.0}))
    assert write_folder(open_source(path), out) == N
    assert not (out / "intrinsics.txt").exists()
    assert_same(open_source(path), open_source(out))


def test_jpeg_and_the_cloud(tmp_path):
    path = WRITERS["own"](tmp_path / "in")
    points = write_ply(path / "room.ply")
    write_folder(open_source(path), tmp_path / "out", FolderWriterSettings(images="jpg"))
    made = FolderSource(tmp_path / "out")
    assert_same(FolderSource(path), made, color_atol=60)
    given, cloud = FolderSource(path).cloud(), made.cloud()
    assert given is not None and cloud is not None
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.colors, given.colors)


def test_nothing_is_overwritten_or_left_half(tmp_path):
    path = WRITERS["own"](tmp_path / "in")
    with pytest.raises(SourceError, match="exists already"):
        write_folder(open_source(path), path)
    for pose in (path / "pose").iterdir():
        pose.write_text("nan " * 16)
    with pytest.raises(SourceError, match=r"3 x pose invalid, such as pose/0\.txt"):
        write_folder(open_source(path), tmp_path / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"in"}

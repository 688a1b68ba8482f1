"""Every layout is recognized by what it holds and gives the same frames."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.layouts import WRITERS, N, assert_frames, open_folder
from helpers.recorded_scene import pose_of

from om3d_core import cli
from om3d_core.errors import SettingsError, SourceError
from om3d_core.sources.folder import FolderSettings
from om3d_core.sources.layouts import REGISTRY
from om3d_core.sources.open import open_source
from om3d_core.sources.settings import SourceSettings

IN_FILES = sorted(set(WRITERS) - {"sens"})
"""Those with a file an image and a pose."""


def test_each_registered_layout_has_a_writer():
    assert set(WRITERS) == set(REGISTRY)


@pytest.mark.parametrize("name", WRITERS)
def test_a_layout_is_recognized_and_read(name, tmp_path):
    source = open_source(WRITERS[name](tmp_path / "scan"))
    assert source.layout_name == name and len(source) == N
    assert_frames(source, 1e-4 if name == "replica" else 1e-6)


@pytest.mark.parametrize("name", IN_FILES)
def test_without_its_depth_it_is_told_or_refused(name, tmp_path):
    path = WRITERS[name](tmp_path / "scan")
    depths = [p for p in path.rglob("*") if "depth" in str(p.relative_to(path)) and p.is_file()
              and p.suffix in {".png", ".depth"}]
    assert len(depths) == N
    depths[0].unlink()
    source = open_source(path)
    assert len(list(source)) == N - 1 and source.skipped.total == 1
    for file in depths[1:]:
        file.unlink()
    with pytest.raises(SourceError, match="depth"):
        list(open_source(path))


@pytest.mark.parametrize("name", IN_FILES)
def test_a_damaged_file_of_poses_or_cameras_is_named(name, tmp_path):
    path = WRITERS[name](tmp_path / "scan")
    told = [p for p in path.rglob("*") if p.is_file() and
            p.suffix in {".txt", ".json", ".log", ".traj", ".pincam", ""}]
    assert told
    for file in told:
        content = file.read_bytes()
        for bad in (b"", b"\x00\xff\xfe garbage", b"[[1, 2], {]", b"1e999 nan " * 9):
            file.write_bytes(bad)
            try:
                source = open_source(path)
                taken = len(list(source))
            except SourceError as error:
                assert str(error).startswith(str(path))
            else:
                assert taken + source.skipped.total == len(source)
        file.write_bytes(content)
    assert_frames(open_source(path), 1e-4)


@pytest.mark.parametrize(("name", "files"), [
    ("polycam", "keyframes/corrected_cameras"),
    ("arkitscenes", "41069021_frames/lowres_wide_intrinsics"), ("own", "intrinsics"),
])
def test_a_damaged_camera_of_a_frame_costs_that_frame(name, files, tmp_path):
    path = WRITERS[name](tmp_path / "scan")
    if name == "own":
        (path / files).mkdir()
        for n in range(N):
            (path / files / f"{n}.txt").write_text((path / "intrinsics.txt").read_text())
    first = min((path / files).iterdir())
    first.write_text("{")
    source = open_source(path)
    assert len(list(source)) == N - 1
    assert source.skipped.reasons == {"camera invalid": 1}
    assert str(first) in source.skipped.examples["camera invalid"]


def test_two_layouts_in_one_folder_are_asked_about(tmp_path):
    path = WRITERS["nerfstudio"](WRITERS["open3d"](tmp_path / "scan"))
    with pytest.raises(SourceError, match="open3d, nerfstudio; .* --folder.layout nerfstudio"):
        open_source(path)
    for name in ("open3d", "nerfstudio"):
        source = open_source(path, SourceSettings(folder=FolderSettings(layout=name)))
        assert source.layout_name == name
        assert_frames(source)


def test_several_recordings_in_one_folder_are_asked_about(tmp_path):
    path = WRITERS["seven_scenes"](tmp_path / "scan")
    (path / "seq-01").rename(path / "seq-02")
    WRITERS["seven_scenes"](path)
    with pytest.raises(SourceError, match="2 recordings; give one of seq-01, seq-02"):
        open_source(path)
    assert_frames(open_source(path / "seq-02"))


def test_a_layout_that_is_asked_for_says_what_it_lacks(tmp_path):
    path = WRITERS["own"](tmp_path / "scan")
    for name in set(REGISTRY) - {"own"}:
        with pytest.raises(SourceError):
            open_folder(path, layout=name)
    with pytest.raises(SettingsError, match="one of auto, own"):
        FolderSettings(layout="nope")


def test_flags_win_over_what_a_layout_says(tmp_path):
    path = WRITERS["nerfstudio"](tmp_path / "scan")
    settings = {"camera_axes": "optical", "depth_units_per_m": 2000.0,
                "intrinsics": "40 41 16 12", "origin": "1 2 3", "step": 2}
    source = open_folder(path, **settings)
    first, last = source
    assert last.depth.max() < 2.1
    assert first.intrinsics.fx == 40 and first.intrinsics.cy == 12
    turned = pose_of(2) @ np.diag([1.0, -1, -1, 1])
    turned[:3, 3] -= [1, 2, 3]
    np.testing.assert_allclose(last.map_from_camera, turned, atol=1e-9)


@pytest.mark.parametrize("values", [{"intrinsics": "1 2 3"}, {"intrinsics": "0 1 2 3"},
                                    {"intrinsics": "a b c d"}, {"origin": "1 2"},
                                    {"origin": "nan 0 0"}])
def test_numbers_of_settings_are_checked(values):
    with pytest.raises(SettingsError):
        FolderSettings(**values)


def test_the_help_and_the_error_list_every_layout(tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    (tmp_path / "nothing").mkdir()
    assert cli.main(["run", str(tmp_path / "nothing"), "-o", str(tmp_path / "map")]) == 2
    refused = " ".join(capsys.readouterr().err.split())
    for name in REGISTRY:
        line = f"{name}: {REGISTRY.implementation(name).files}"
        assert line in shown and line in refused

"""What ``om3d run`` does with a recording that contradicts itself, before anything is computed."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from helpers.worlds import tabletop, write_folder

from om3d_core import cli
from om3d_core.commands.agreed import _FLAGS
from om3d_core.data.scene_store import load_scene

FAST = ("--fusion.voxel_m", "0.03", "--crops.levels", "1", "--views.top_k", "1")


@pytest.fixture(scope="module")
def inverted(tmp_path_factory):
    """A room whose poses are camera_from_map."""
    folder = write_folder(tmp_path_factory.mktemp("room") / "room", tabletop(14, sway_m=0.5))
    for path in (folder / "pose").iterdir():
        np.savetxt(path, np.linalg.inv(np.loadtxt(path)))
    return folder


def run(scene, out, *flags):
    return cli.main(["run", str(scene), "-o", str(out), *FAST, *flags])


def test_it_is_refused_with_the_flag_that_mends_it(inverted, tmp_path, capsys):
    assert run(inverted, tmp_path / "map") == 2
    said = capsys.readouterr().err
    assert "--folder.pose camera_from_map" in said and "--fix sets the flag" in said
    assert not (tmp_path / "map").exists()


def test_fix_sets_it_and_force_does_not(inverted, tmp_path, capsys):
    assert run(inverted, tmp_path / "fixed", "--fix", "--json") == 0
    shown = capsys.readouterr()
    assert "set --folder.pose camera_from_map" in shown.err
    assert json.loads(shown.out)["frames"] == 14
    assert run(inverted, tmp_path / "forced", "--force") == 0
    assert "the inverse of map_from_camera" in capsys.readouterr().err
    table = np.array([0.0, 0.0, 0.7])
    near = [
        np.linalg.norm(load_scene(tmp_path / name).cloud.points - table, axis=1).min()
        for name in ("fixed", "forced")
    ]
    assert near[0] < 0.05 < near[1]


def test_what_no_flag_mends_is_refused_even_with_fix(inverted, tmp_path, capsys):
    for path in (inverted / "depth").iterdir():
        cv2.imwrite(str(tmp_path / path.name), cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        cv2.imwrite(str(path), np.zeros((120, 160), np.uint16))
    try:
        assert run(inverted, tmp_path / "map", "--fix") == 2
        assert "no depth" in (said := capsys.readouterr().err) and "--fix" not in said
        assert run(inverted, tmp_path / "map", "--force") == 2
        assert "all were skipped" in capsys.readouterr().err
    finally:
        for path in (inverted / "depth").iterdir():
            (tmp_path / path.name).replace(path)


def test_an_empty_map_is_an_error_with_what_depth_there_is(inverted, tmp_path, capsys):
    flags = ("--fix", "--fusion.max_depth_m", "0.5")
    for more, message in (
        ((), "all were skipped: 14 x no depth in range"),
        (("--visibility.require_depth", "false"), "the map is empty"),
    ):
        assert run(inverted, tmp_path / "map", *flags, *more) == 2
        said = capsys.readouterr().err
        assert message in said and ": median depth 2.2" in said
        assert "0.0% of the pixels within 0.5 m" in said
        assert not (tmp_path / "map").exists()


@pytest.mark.parametrize(
    ("flag", "taken"),
    [
        ("--folder.pose camera_from_map", True),
        ("--folder.intrinsics_width 640 --folder.intrinsics_height 480", True),
        ("--bag.depth_topic /a/depth", True),
        ("--folder.origin=-500123,5300457,514 --folder.pose camera_from_map", True),
        ("--depth.units_per_m", False),
        ("--bag.depth_topic /a --out /b", False),
        ("--folder.pose --force", False),
        ("--folder.origin=1,2,3 --force", False),
        ("--pose.of_frame, if they are the camera's", False),
        ("", False),
    ],
)  # fmt: skip
def test_only_settings_with_values_are_set(flag, taken):
    assert bool(_FLAGS.fullmatch(flag)) == taken

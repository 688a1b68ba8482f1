"""What every format does: whole files, nothing overwritten, any map."""

from __future__ import annotations

import pytest

from om3d_core.commands.export import main
from om3d_core.data.scene import Scene
from om3d_core.data.scene_store import save_scene
from om3d_core.errors import ExportError, MapFormatError
from om3d_core.export import REGISTRY
from om3d_core.export.base import export


@pytest.mark.parametrize("name", REGISTRY)
def test_the_command_writes_every_format_and_overwrites_nothing(scene, tmp_path, capsys, name):
    save_scene(scene, tmp_path / "map")
    suffix = REGISTRY.implementation(name).suffix
    out = tmp_path / "new folder" / f"out{suffix}"
    arguments = [str(tmp_path / "map"), "--format", name, "-o", str(out)]
    assert main(arguments) == 0 and out.exists() and out.is_dir() == (name == "openlex3d")
    assert "4 instances on 500 points" in capsys.readouterr().out
    with pytest.raises(ExportError, match="exists already, not overwritten"):
        main(arguments)
    if suffix:
        with pytest.raises(ExportError, match=f"ends in {suffix}"):
            main([*arguments[:-1], str(tmp_path / "out.txt")])
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_missing_map_and_an_unknown_format_are_told(tmp_path, capsys):
    with pytest.raises(MapFormatError, match=r"map\.json"):
        main([str(tmp_path), "--format", "ply", "-o", str(tmp_path / "a.ply")])
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--format", "usd", "-o", str(tmp_path / "a.usd")])
    assert "boxes-json" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - {"openlex3d"}))
def test_a_map_of_nothing_is_written(written, name):
    assert written(Scene.empty(), name).stat().st_size > 0


def test_a_failure_leaves_nothing_behind(scene, tmp_path):
    class Broken:
        suffix = ".ply"

        def write(self, scene, path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device.*full\.ply"):
        export(scene, Broken(), tmp_path / "full.ply")
    assert list(tmp_path.iterdir()) == []

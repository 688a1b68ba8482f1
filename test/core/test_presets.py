"""Presets: one set of options, found wherever om3d is installed, overridden by flags."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

import pytest
from helpers.tiny_models import (  # noqa: F401
    one_thread,
    tiny_clip,
    tiny_dinov2,
    tiny_mask3d,
    tiny_sam,
    tiny_siglip,
)
from helpers.worlds import tabletop, write_folder

from om3d_core import cli, presets
from om3d_core.commands.console import add_setting_flags, parse_with_preset, settings_from
from om3d_core.data.scene_store import load_scene
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import SettingsError
from om3d_core.mapping.settings import MapSettings
from om3d_core.presets import preset_folder, preset_names, read_preset
from om3d_core.query.settings import QuerySettings
from om3d_core.settings import build, flatten
from om3d_core.sources.folder import FolderSettings

ORIGINALS = ("openmask3d", "openmask3d_pp")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A table with boxes as an OpenMask3D scene folder."""
    return write_folder(tmp_path_factory.mktemp("scene") / "table", tabletop(8))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Flags that put tiny models in the place of the published ones."""
    root = tmp_path_factory.mktemp("models")
    places = {
        "clip.model": tiny_clip(root / "clip"),
        "siglip.model": tiny_siglip(root / "siglip"),
        "dinov2.model": tiny_dinov2(root / "dinov2"),
        "sam.model": tiny_sam(root / "sam"),
        "mask3d.checkpoint": tiny_mask3d(root / "mask3d.safetensors"),
    }
    return [text for name, path in places.items() for text in (f"--{name}", str(path))]


SMALL = ("--folder.step", "1", "--fusion.voxel_m", "0.03", "--mask3d.num_heads", "2",
         "--mask3d.num_queries", "8")


@pytest.mark.parametrize(
    ("preset", "spaces"),
    [
        ("openmask3d", ("clip/",)),
        ("openmask3d_pp", ("siglip/", "dinov2/")),
        ("default", ("lite-text@", "lite-visual@")),
    ],
)
def test_a_map_from_end_to_end_with_each_preset(scene, models, tmp_path, capsys, preset, spaces):
    out = tmp_path / "map"
    arguments = ["run", str(scene), "-o", str(out), "--preset", preset, *SMALL, *models, "--json"]
    assert cli.main(arguments) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["keyframes"] == 8 and summary["instances"] >= 1
    built = load_scene(out)
    names = [table.space.name for table in built.features]
    assert len(names) == len(spaces) and all(map(str.startswith, names, spaces))
    assert all(table.valid.any() for table in built.features)
    options = ["--preset", preset, "--json"]
    assert cli.main(["query", str(out), "a red box", *options]) == 0
    assert json.loads(capsys.readouterr().out)["matches"]
    picture = str(scene / "color/0.png")
    assert cli.main(["query", str(out), "--image", picture, *options]) == 0
    assert json.loads(capsys.readouterr().out)["matches"]


def test_a_missing_model_stops_a_run_before_it_reads(scene, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OM3D_CACHE", str(tmp_path))
    run = ["run", str(scene), "-o", str(tmp_path / "map"), "--preset", "openmask3d"]
    assert cli.main(run) == 2
    message = capsys.readouterr().err.strip()
    assert "scannet200_model.ckpt is not on this machine" in message
    assert "\n" not in message and not (tmp_path / "map").exists()
    assert cli.main([*run, "--proposals.method", "geometric", "--segmenter.method", "none",
                     "--clip.model", "some/model"]) == 2
    assert "om3d models pull some/model" in capsys.readouterr().err


def test_both_originals_set_the_same_options_which_all_exist():
    for node in ("mapper", "query"):
        first, second = (read_preset(name, node) for name in ORIGINALS)
        assert list(first) == list(second)
    known = {leaf.name: leaf for leaf in flatten(MapSettings)}
    known |= {f"folder.{leaf.name}": leaf for leaf in flatten(FolderSettings)}
    queries = {leaf.name: leaf for tree in (QuerySettings, EncoderSettings)
               for leaf in flatten(tree)}
    for name in ORIGINALS:
        for option, value in read_preset(name).items():
            assert known[option].constraint.check(option, known[option].kind, value) == value
        for option in read_preset(name, "query"):
            assert option in queries


def test_the_default_preset_is_the_defaults():
    names = {leaf.name: leaf.default for leaf in flatten(MapSettings)}
    values = read_preset("default")
    shared = names.keys() & values.keys()
    assert len(shared) > 30
    assert {name: values[name] for name in shared} == {name: names[name] for name in shared}


def test_files_are_ros_parameter_files_without_aliases(repository):
    """The parser of rcl reads neither anchors nor aliases."""
    assert set(ORIGINALS) < set(preset_names())
    for name in ORIGINALS:
        text = (repository / "config" / f"{name}.yaml").read_text()
        plain = "\n".join(line.partition("#")[0] for line in text.splitlines())
        assert not re.search(r":\s*[&*]", plain)
        assert re.findall(r"^\S.*:$", plain, re.MULTILINE) == ["mapper:", "query:"]


def parse(*arguments, tree=MapSettings, node="mapper"):
    parser = argparse.ArgumentParser("om3d run")
    add_setting_flags(parser, tree)
    return settings_from(parse_with_preset(parser, list(arguments), node), tree)


def test_a_flag_wins_over_the_preset_and_the_preset_over_the_default():
    plain, preset = parse(), parse("--preset", "openmask3d_pp")
    assert plain == MapSettings() and preset.views.selection == "diverse"
    assert preset.visibility.depth_tolerance_m == 0.1 and not preset.visibility.require_front
    mixed = parse("--views.selection", "bearing", "--preset=openmask3d_pp")
    assert mixed.views.selection == "bearing" and mixed.segmenter.method == "sam"
    with pytest.raises(SystemExit):
        parse("--views.sel", "bearing")
    with pytest.raises(SystemExit):
        parse("--pre", "openmask3d_pp")
    answers = parse("--preset", "openmask3d_pp", tree=QuerySettings, node="query")
    assert answers.remove_outliers and answers.aggregation == "mean_similarity"
    assert not answers.image_outliers and answers.image_aggregation == "mean_crops"


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_file_of_one_s_own(tmp_path):
    own = write(tmp_path / "mine.yaml",
                "/**:\n  ros__parameters:\n    views.top_k: 7\n    use_sim_time: true\n"
                "/robot/mapper:\n  ros__parameters:\n    crops: {levels: 2}\n"
                "/**/query:\n  ros__parameters: {top_k: 1}\n")
    settings = parse("--preset", own)
    assert settings.views.top_k == 7 and settings.crops.levels == 2
    assert parse("--preset", own, tree=QuerySettings, node="query").top_k == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "found no"),
        ("", "node names"),
        ("- 1", "node names"),
        ("a: [", "expected YAML"),
        ("mapper: {views: 1}", "ros__parameters"),
        ("mapper: {ros__parameters: {views: {top_k: many}}}", r"views.top_k: expected int"),
        ("mapper: {ros__parameters: {views: {top_k: 0}}}", r"views.top_k: expected 1"),
        ("mapper: {ros__parameters: {views: {topk: 3}}}", "unknown settings: views.topk"),
        ("mapper: {ros__parameters: {views: {top_k: [1]}}}", "expected one value"),
        ("mapper: {ros__parameters: {views: {top_k: }}}", "expected one value"),
        ("a: &a [*a]", "alias .* in line 1"),
        ("mapper: {ros__parameters: &p {views: *p}}", "alias"),
        ("a: &a {b: 1}\nmapper: {ros__parameters: {<<: *a}}", "alias .* in line 2"),
        ("mapper: {ros__parameters: " + "{a: " * 10 + "1" + "}" * 11, "at most 8 deep"),
        ("[" * 5000, "at most 64 deep"),
        ("mapper: {ros__parameters: {views: [" + "1," * 6000 + "]}}", "at most 6000 values"),
        ("mapper: !!python/object/apply:os.system ['true']", "expected YAML"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    name = str(path) if text is None else write(path, text)
    with pytest.raises(SettingsError, match=message) as caught:
        parse("--preset", name)
    assert "\n" not in str(caught.value)


def test_bombs_and_giants_are_refused(tmp_path):
    merged = "".join(
        f"a{i}: &a{i} {{{', '.join(f'k{j}: {{<<: *a{i - 1}}}' for j in range(10))}}}\n"
        for i in range(1, 12)
    )
    with pytest.raises(SettingsError, match="alias"):
        read_preset(write(tmp_path / "bomb.yaml", "a0: &a0 {k: 1}\n" + merged))
    with pytest.raises(SettingsError, match="more than 1000000 bytes"):
        read_preset(write(tmp_path / "giant.yaml", "#" * 1_000_001))
    for name in ("openmask4d", "", "~nobody/preset"):
        with pytest.raises(SettingsError, match="expected one of default, openmask3d"):
            read_preset(name)
    with pytest.raises(SettingsError, match="found no"):
        read_preset("~nobody/preset.yaml")


@pytest.mark.parametrize("layout", ["package", "workspace", "source"])
def test_presets_are_found_wherever_om3d_is_installed(tmp_path, monkeypatch, repository, layout):
    package = tmp_path / "lib/python3.11/site-packages/om3d_core"
    package.mkdir(parents=True)
    config = {
        "package": package / "config",
        "workspace": tmp_path / "share/om3d/config",
        "source": package.parent / "config",
    }[layout]
    monkeypatch.setattr(presets, "__file__", str(package / "presets.py"))
    with pytest.raises(SettingsError, match="found no folder config"):
        preset_folder()
    shutil.copytree(repository / "config", config)
    assert preset_folder() == config
    assert build(MapSettings, {"views.top_k": read_preset("openmask3d")["views.top_k"]})

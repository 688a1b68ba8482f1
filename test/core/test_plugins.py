"""A plug-in is one file and one line: settings, choices, flags and checks follow from it."""

from __future__ import annotations

import json
import re

import pytest
from helpers.toys import LINES, ROOT, library_with_toys, run, write_stack
from helpers.worlds import tabletop

from om3d_core.encoders import REGISTRY as ENCODERS
from om3d_core.encoders.base import create_encoder
from om3d_core.encoders.settings import ClipSettings, EncoderSettings, SiglipSettings
from om3d_core.errors import ModelError, SettingsError
from om3d_core.export import REGISTRY as FORMATS
from om3d_core.mapping.settings import FeatureSettings, MapSettings
from om3d_core.proposals import REGISTRY as PROPOSERS
from om3d_core.registry import Plugin
from om3d_core.segmenters import REGISTRY as SEGMENTERS
from om3d_core.settings import Settings, build, flatten, values_of
from om3d_core.sources import REGISTRY as SOURCES
from om3d_core.sources.datasets import REGISTRY as DATASETS

REGISTRIES = (ENCODERS, PROPOSERS, SEGMENTERS, SOURCES, DATASETS, FORMATS)
N_FRAMES = 12


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return library_with_toys(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_stack(tmp_path_factory.mktemp("scene") / "table.stack", tabletop(N_FRAMES))


def om3d(library, *arguments):
    return run(library, "-m", "om3d_core.cli", *arguments)


def test_a_toy_is_one_file_and_one_line(library):
    for file, line in LINES.items():
        assert line.count("\n") == 1 and len(line) <= 100
        registry = (library / "om3d_core" / file).parent / "__init__.py"
        original = (ROOT / registry.relative_to(library)).read_text()
        assert registry.read_text().replace(line, "") == original
    copied = {p.relative_to(library) for p in (library / "om3d_core").rglob("*.py")}
    shipped = {p.relative_to(ROOT) for p in (ROOT / "om3d_core").rglob("*.py")}
    assert {str(p) for p in copied - shipped} == {f"om3d_core/{file}" for file in LINES}


def test_settings_choices_and_flags_follow(library):
    code = (
        "from om3d_core.mapping.settings import MapSettings as M\n"
        "from om3d_core.sources.settings import SourceSettings as S\n"
        "from om3d_core.settings import flatten\n"
        "import json; print(json.dumps({x.name: list(x.constraint.choices)"
        " for tree in (M, S) for x in flatten(tree)}))"
    )
    choices = json.loads(run(library, "-c", code).stdout)
    assert {"tint.red_gain", "hues.margin", "stack.step"} <= set(choices)
    assert "hues" in choices["proposals.method"] and "tint" in choices["features.encoders"]
    text = om3d(library, "run", "--help").stdout
    for shown in ("--tint.red_gain FLOAT", "--hues.margin INT", "--stack.step INT",
                  "a .stack file", "one or several of tint, lite", "one of hues, geometric"):
        assert shown in re.sub(r"\s+", " ", text), shown
    refused = om3d(library, "run", "x", "-o", "y", "--proposals.method", "huge")
    assert refused.returncode == 2 and "expected one of hues, geometric" in refused.stderr


def test_models_check_knows_them(library, tmp_path):
    preset = tmp_path / "toys.yaml"
    preset.write_text("mapper: {ros__parameters: {features: {encoders: tint}}}")
    for arguments in (["tint"], ["--preset", str(preset)]):
        done = om3d(library, "models", "check", *arguments)
        assert done.stdout.strip() == "tint: loads; tint@1, 3-d", done.stderr
    assert om3d(library, "models", "check", "hues").stdout.strip() == "hues: loads; a proposer"


def test_a_map_is_made_and_asked_with_them(library, scene, tmp_path):
    flags = ["--proposals.method", "hues", "--features.encoders", "tint", "--stack.step", "2",
             "--fusion.voxel_m", "0.03", "--views.min_pixels", "10"]
    made = om3d(library, "run", str(scene), "-o", str(tmp_path / "map"), *flags, "--json")
    assert made.returncode == 0, made.stderr
    summary = json.loads(made.stdout)
    assert summary["keyframes"] == N_FRAMES // 2 and summary["instances"] == 3
    for i, name in enumerate(("red", "green", "blue")):
        done = om3d(library, "query", str(tmp_path / "map"), name, "--json")
        assert json.loads(done.stdout)["matches"][0]["id"] == i + 1, done.stderr
    other = om3d(library, "query", str(tmp_path / "map"), "red", "--json", "--tint.red_gain", "3")
    assert json.loads(other.stdout)["matches"][0]["similarity"] != pytest.approx(1.0)
    few = om3d(library, "run", str(scene), "-o", str(tmp_path / "few"), *flags,
               "--hues.margin", "255", "--json")
    assert json.loads(few.stdout)["instances"] == 0
    none = om3d(library, "run", str(tmp_path / "table.stuck"), "-o", str(tmp_path / "none"))
    assert "a .stack file" in none.stderr and "rosbag2" in none.stderr


@pytest.mark.parametrize(
    ("registry", "name"), [(registry, name) for registry in REGISTRIES for name in registry]
)
def test_every_entry_names_what_is_there(registry, name):
    kind = registry.settings_type(name)
    assert callable(registry.implementation(name))
    assert kind is None or (issubclass(kind, Settings) and isinstance(kind(), kind))
    weights = registry.plugin(name).weights
    assert not weights or weights in {leaf.name for leaf in flatten(kind)}


def test_no_two_groups_of_a_tree_have_one_name():
    names = [leaf.name for leaf in flatten(MapSettings)]
    assert len(names) == len(set(names))


def test_groups_of_plug_ins_are_settings_as_any():
    settings = build(MapSettings, {"clip.dtype": "float32", "mask3d.num_queries": 7})
    assert values_of(settings)["clip.dtype"] == "float32"
    assert build(MapSettings, values_of(settings)) == settings != MapSettings()
    assert hash(build(MapSettings, values_of(settings))) == hash(settings)
    clip = ClipSettings(dtype="float32")
    assert settings.encoders == EncoderSettings(clip=clip) and settings.encoders["clip"] == clip
    assert EncoderSettings().replaced(clip=clip) == EncoderSettings(clip=clip)
    for groups in ({"nope": clip}, {"clip": SiglipSettings()}):
        with pytest.raises(SettingsError, match="expected settings of one of clip, siglip"):
            EncoderSettings(**groups)


@pytest.mark.parametrize("names", ["nope", "", ",", "lite,nope"])
def test_encoders_are_checked_when_they_are_set(names):
    with pytest.raises(SettingsError, match="encoders: expected one or several of lite, clip"):
        FeatureSettings(encoders=names)
    assert FeatureSettings(encoders="siglip, dinov2").encoders


def test_an_encoder_that_could_not_be_found_again_is_refused(monkeypatch):
    monkeypatch.setitem(ENCODERS, "color2", Plugin("helpers.doubles:ColorEncoder"))
    with pytest.raises(ModelError, match="color2: expected its spaces to name it"):
        create_encoder("color2")
    with pytest.raises(SettingsError, match="unknown encoder 'nope', expected one of clip"):
        create_encoder("nope")

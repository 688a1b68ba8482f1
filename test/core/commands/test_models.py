"""``om3d models``: what there is and where, and whether it loads; nothing is fetched unasked."""

from __future__ import annotations

import json

import pytest
from helpers.tiny_models import tiny_clip, tiny_dinov2, tiny_sam, tiny_siglip

from om3d_core import cli
from om3d_core.commands.model_check import needs_of
from om3d_core.models.catalog import CATALOG, find, locate
from om3d_core.presets import read_preset

pytestmark = pytest.mark.usefixtures("empty_caches")


def test_each_preset_names_models_of_the_catalog():
    needed = {name: [need.reference for need in needs_of(read_preset(name))]
              for name in ("openmask3d", "openmask3d_pp", "default")}
    assert needed["default"] == ["lite"]
    assert [find(name).family for name in needed["openmask3d"]] == ["mask3d", "sam", "clip"]
    families = [find(name).family for name in needed["openmask3d_pp"]]
    assert families == ["mask3d", "sam", "siglip", "dinov2"]


def test_list_shows_every_model_and_where_it_is(capsys, tmp_path):
    assert cli.main(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {model.name for model in CATALOG}
    assert rows["lite"]["where"] and rows["sam_vit_h_4b8939"]["where"] is None
    assert rows["sam_vit_h_4b8939"]["presets"] == ["openmask3d", "openmask3d_pp"]
    (tmp_path / "om3d/models").mkdir(parents=True)
    (tmp_path / "om3d/models/scannet200_model.ckpt").touch()
    assert cli.main(["models", "list"]) == 0
    text = capsys.readouterr().out
    assert f"scannet200_model.ckpt: {tmp_path}/om3d/models/scannet200_model.ckpt" in text
    assert "om3d models pull openai/clip-vit-large-patch14-336" in text
    assert "default needs lite" in text


def test_check_loads_folders_and_says_what_is_missing(tmp_path, capsys):
    dinov2, sam = tiny_dinov2(tmp_path / "dinov2"), tiny_sam(tmp_path / "sam")
    assert cli.main(["models", "check", str(dinov2)]) == 0
    assert "loads; dinov2/dinov2@" in capsys.readouterr().out
    assert cli.main(["models", "check", str(sam)]) == 0
    assert "loads; a segmenter" in capsys.readouterr().out
    (dinov2 / "model.safetensors").write_bytes(b"")
    assert cli.main(["models", "check", str(dinov2)]) == 1
    assert "cannot be loaded" in capsys.readouterr().out
    assert cli.main(["models", "check", "--preset", "openmask3d"]) == 1
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3 and all("is not on this machine" in line for line in lines)


def test_nothing_but_pull_reaches_for_the_network(monkeypatch, tmp_path, capsys):
    import socket

    makers = (tiny_clip, tiny_siglip, tiny_dinov2, tiny_sam)
    folders = [make(tmp_path / make.__name__) for make in makers]

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for model in CATALOG:
        locate(model.reference)
    assert cli.main(["models", "check", "--preset", "openmask3d_pp"]) == 1
    for folder in folders:
        assert cli.main(["models", "check", str(folder)]) == 0

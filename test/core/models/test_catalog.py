"""``om3d models``: what there is and where, fetched only when asked, checked before it is used."""

from __future__ import annotations

import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers.tiny_models import tiny_clip, tiny_dinov2, tiny_sam, tiny_siglip

from om3d_core import cli
from om3d_core.commands.model_check import needs_of
from om3d_core.errors import ModelError
from om3d_core.models.catalog import CATALOG, Model, find, locate, require, split_reference
from om3d_core.models.download import pull
from om3d_core.presets import read_preset


@pytest.fixture(autouse=True)
def _empty_caches(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setenv("OM3D_CACHE", str(tmp_path / "om3d"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def server(tmp_path):
    """A web server of the folder ``served``; gives its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", folder
        httpd.shutdown()
        thread.join()


def publish(monkeypatch, url, content, sha256=None):
    """A catalog whose only model is a file behind ``url``."""
    digest = sha256 or hashlib.sha256(content).hexdigest()
    model = Model("sam_tiny", "sam", "file", len(content), "Apache-2.0", "Apache-2.0", url,
                  sha256=digest)
    monkeypatch.setattr("om3d_core.models.catalog.CATALOG", (model,))
    return model


def test_the_catalog_is_complete():
    assert len({model.name for model in CATALOG}) == len(CATALOG)
    for model in CATALOG:
        assert model.code_license and model.weights_license and model.url.startswith("https://")
        assert (model.kind == "hub") == (len(model.revision) == 40)
        assert (model.kind == "file") == (len(model.sha256) == 64)
        assert find(model.reference) is model


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


def test_a_file_is_pulled_once_and_checked(server, monkeypatch, capsys):
    url, folder = server
    (folder / "sam_tiny.pth").write_bytes(b"weights" * 1000)
    model = publish(monkeypatch, f"{url}/sam_tiny.pth", b"weights" * 1000)
    assert locate("sam_tiny") is None
    assert cli.main(["models", "pull", "sam_tiny"]) == 0
    path = locate("sam_tiny")
    assert path.read_bytes() == b"weights" * 1000
    assert str(path) in capsys.readouterr().out
    (folder / "sam_tiny.pth").unlink()
    assert pull(model.name) == path


def test_a_wrong_or_truncated_file_never_takes_its_place(server, monkeypatch, tmp_path):
    url, folder = server
    (folder / "sam_tiny.pth").write_bytes(b"other")
    publish(monkeypatch, f"{url}/sam_tiny.pth", b"weights")
    with pytest.raises(ModelError, match="expected SHA-256"):
        pull("sam_tiny")
    publish(monkeypatch, f"{url}/nothing.pth", b"weights")
    with pytest.raises(ModelError, match="cannot be fetched"):
        pull("sam_tiny")
    assert list((tmp_path / "om3d/models").iterdir()) == []


def test_without_a_network_the_error_is_one_line(monkeypatch, capsys):
    publish(monkeypatch, "http://127.0.0.1:9/sam_tiny.pth", b"weights")
    assert cli.main(["models", "pull", "sam_tiny"]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "cannot be fetched" in message and "copy the file to" in message
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert cli.main(["models", "pull", "some/model"]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "some/model: cannot be fetched" in message and "Traceback" not in message


class Hub:
    """A Hugging Face hub with one model; what is fetched is recorded."""

    def __init__(self, files):
        self.files, self.calls = files, []

    def model_info(self, name, revision, timeout):
        self.calls.append((name, revision))
        siblings = [type("File", (), {"rfilename": file}) for file in self.files]
        return type("Info", (), {"siblings": siblings})

    def snapshot_download(self, name, revision, allow_patterns):
        self.calls.append((name, revision, allow_patterns))
        return "/somewhere"


@pytest.mark.parametrize(
    ("files", "weights"),
    [
        (["config.json", "model.safetensors", "pytorch_model.bin"], "*.safetensors"),
        (["config.json", "pytorch_model.bin", "tf_model.h5"], "pytorch_model*.bin"),
    ],
)
def test_the_hub_gives_the_pinned_revision_and_the_safe_weights(monkeypatch, files, weights):
    hub = Hub(files)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub.snapshot_download)
    assert pull("facebook/dinov2-large") == Path("/somewhere")
    revision = find("facebook/dinov2-large").revision
    assert hub.calls[0] == ("facebook/dinov2-large", revision)
    assert hub.calls[1][1] == revision and hub.calls[1][2][-1] == weights
    assert not {"*", "*.bin", "*.h5"} & set(hub.calls[1][2])
    pull("some/model@v1")
    assert hub.calls[-1][:2] == ("some/model", "v1")
    hub.files = ["config.json"]
    with pytest.raises(ModelError, match="expected weights"):
        pull("some/model")


def test_what_cannot_be_pulled_says_where_to_get_it():
    for name in ("scannet200_model.ckpt", "segment3d.ckpt"):
        with pytest.raises(ModelError, match=f"get it from https://.* and copy it to .*{name}"):
            pull(name)
    with pytest.raises(ModelError, match="pip install .* https://"):
        pull("lite")


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/b/c", "a b/c", "x/y@../z", "nothing", "weights/sam.pth", "b" * 5000],
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ModelError, match="expected a file or folder") as caught:
        split_reference(name)
    assert len(str(caught.value)) < 200


def test_a_missing_model_names_the_command():
    with pytest.raises(ModelError, match="clip.model: .* run `om3d models pull openai/clip"):
        require(find("openai/clip-vit-large-patch14-336").reference, "clip.model")
    with pytest.raises(ModelError, match="mask3d.checkpoint: .* get it from https://"):
        require("scannet200_model.ckpt", "mask3d.checkpoint")


@pytest.mark.parametrize(
    "reference", ["", "nothing", "~nobody/x.pth", "/none/x.ckpt", "b" * 5000, "\0", "a/b--c"]
)
def test_what_is_no_model_names_the_setting(reference):
    with pytest.raises(ModelError, match=r"^clip.model: expected a (file|name)") as caught:
        require(reference, "clip.model")
    assert "\n" not in str(caught.value)


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

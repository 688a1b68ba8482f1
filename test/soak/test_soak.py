"""That growth is seen and noise is not, and a short run of ``make soak``."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.worlds import tabletop, write_folder
from PIL import Image

from soak.clip import RATE_HZ, Clip
from soak.plot import panels, plot
from soak.record import Answered, Held, Record, Sample, held_by
from soak.verdict import Check, verdict


def record(
    memory=lambda t: 500.0, threads=lambda t: 20, descriptors=lambda t: 30, latency=lambda t: 0.1,
    error="",
):  # fmt: skip
    """An hour of samples of one node, with noise; the curves are functions of the share done."""
    rng, made = np.random.default_rng(0), Record()
    for i in range(0, 3600, 5):
        t = i / 3600
        held = Held(memory(t) + rng.normal(0, 5), threads(t), descriptors(t))
        made.samples.append(Sample(float(i), {"mapper": held}, i, i, 0.5, i // 60))
        made.answers.append(Answered(float(i), latency(t) * rng.uniform(0.8, 1.2), error))
    return made


def failed(made):
    return {check.name for check in verdict(made) if not check.good}


def test_a_level_run_is_good_whatever_its_noise_and_its_warm_up():
    assert failed(record()) == set()
    assert failed(record(memory=lambda t: 200 + 300 * min(1.0, 4 * t))) == set()
    assert failed(record(memory=lambda t: 900.0 if 0.5 < t < 0.6 else 500.0)) == set()
    assert failed(record(memory=lambda t: 500 + 100 * np.sin(200 * t))) == set()
    assert failed(record(threads=lambda t: 20 + (int(1000 * t) % 7 == 0))) == set()


@pytest.mark.parametrize(
    ("what", "curve", "name"),
    [
        ("memory", lambda t: 500 + 30 * t, "mapper: sure growth of memory"),
        ("threads", lambda t: 20 + int(4 * t), "mapper: more threads"),
        ("descriptors", lambda t: 30 + int(40 * t), "mapper: more descriptors"),
        ("latency", lambda t: 0.2 + t, "p99 of answers (s)"),
    ],
)
def test_what_grows_is_seen(what, curve, name):
    assert failed(record(**{what: curve})) == {name}


def test_errors_and_what_was_not_measured_are_failures():
    assert failed(record(error="TIMEOUT")) == {"answers with an error"}
    short = Record(record().samples[:3])
    assert failed(short) == {"mapper: sure growth of memory", "p99 of answers (s)"}
    assert not Check("nothing", float("nan"), 1.0).good


def test_what_a_process_holds():
    before = held_by(os.getpid())
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    block = mmap.mmap(-1, 50_000_000)
    np.frombuffer(block, np.uint8)[:] = 1
    thread.start()
    with Path(os.devnull).open():
        now = held_by(os.getpid())
    stop.set()
    thread.join()
    assert now.threads == before.threads + 1 and now.descriptors == before.descriptors + 1
    assert 40 < now.memory_mb - before.memory_mb < 60 and block[0] == 1
    with pytest.raises(OSError):
        held_by(2**22 + 1)


def test_the_plot_has_a_curve_of_each(tmp_path):
    made = record()
    plot(made, tmp_path / "soak.png")
    with Image.open(tmp_path / "soak.png") as image:
        assert image.height > 1000
        colors = image.getcolors(1 << 24)
    assert sum(n for n, color in colors if color == (31, 119, 180)) > 7 * 500
    assert len(panels(made)) == 7
    plot(Record(), tmp_path / "empty.png")


def test_stamps_go_on_when_the_clip_begins_again(tmp_path):
    clip = Clip(write_folder(tmp_path / "scene", tabletop(3, 64, 48)))
    sets = list(itertools.islice(clip, 8))
    stamps = [m["color"].header.stamp.sec * 10**9 + m["color"].header.stamp.nanosec for m in sets]
    assert np.allclose(np.diff(stamps), 1e9 / RATE_HZ, atol=1)
    assert bytes(sets[0]["color"].data) == bytes(sets[3]["color"].data)
    assert bytes(sets[0]["color"].data) != bytes(sets[1]["color"].data)


@pytest.mark.slow
def test_a_short_run_ends_with_a_verdict_also_when_it_is_interrupted(tmp_path):
    scene, out = write_folder(tmp_path / "scene", tabletop(12, 160, 120)), tmp_path / "out"
    places = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-m", "soak", "--seconds", "600", "--scene", str(scene), "--out",
         str(out)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": places},
    )
    time.sleep(75)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode in {0, 1} and "mapper: sure growth of memory" in said
    measured = json.loads((out / "soak.json").read_text())
    assert len(measured["samples"]) > 8 and len(measured["answers"]) > 5
    assert measured["samples"][-1]["used"] > 50 and measured["samples"][-1]["revision"] > 0
    assert not any(answer["error"] for answer in measured["answers"])
    assert (out / "soak.png").stat().st_size > 1000

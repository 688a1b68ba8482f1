"""Jobs in processes: what becomes of each that fails, is killed, or is stopped."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from om3d_core.batch.finish import finish
from om3d_core.batch.jobs import DONE, FAILED
from om3d_core.batch.processes import Processes


def test_no_job_stops_the_others(job, tmp_path):
    jobs = [job("a"), job("b", "refused"), job("c", "broken"), job("d", "left"),
            job("e", "killed", tmp_path / "marker"), job("f", "always_killed")]  # fmt: skip
    reported, ended = [], []
    outcomes = finish(
        jobs, Processes(workers=2, threads=3, retries=1), lambda *step: reported.append(step),
        lambda job, outcome: ended.append((job.name, outcome.name)),
    )  # fmt: skip
    assert [o.name for o in outcomes] == list("abcdef")
    assert [o.state for o in outcomes] == [DONE, FAILED, FAILED, FAILED, DONE, FAILED]
    assert [o.attempts for o in outcomes] == [1, 1, 1, 1, 2, 2]
    a, b, c, d, e, f = outcomes
    assert a.summary == {"name": "a", "threads": "3", "cwd": str(tmp_path)} and a.error == ""
    assert a.seconds > 0 and a.cpu_s > 0 and 5 < a.peak_mb < 1000
    assert b.error == "b: expected a scene, found none"
    assert c.error == "ZeroDivisionError: a fault of ours"
    assert "status 7, see" in d.error and "killed by SIGKILL, perhaps" in f.error
    assert "Traceback" in (jobs[2].folder / "log.txt").read_text()
    assert (jobs[4].folder / "log.txt").read_text() == "e begins\ne begins\n"
    assert sorted(ended) == [(name, name) for name in "abcdef"]
    assert reported[0] == ("scenes", 0, 6) and reported[-1] == ("scenes", 6, 6)


def test_a_command_that_says_that_it_failed_has(job):
    (outcome,) = Processes(1, 1, retries=1).run([job("a", "status")])
    assert (outcome.state, outcome.error, outcome.attempts) == (FAILED, "exit status 4", 1)


def test_a_folder_that_cannot_be_written_fails_its_job_alone(job, tmp_path):
    (tmp_path / "a").write_text("a file")
    outcomes = list(Processes(1, 1, retries=1).run([job("a"), job("b")]))
    assert [(o.name, o.state) for o in outcomes] == [("a", FAILED), ("b", DONE)]
    assert "exists" in outcomes[0].error


@pytest.mark.parametrize("how", ["interrupt", "close"])
def test_what_is_stopped_leaves_no_process_and_no_file(job, tmp_path, monkeypatch, how):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    jobs = [job("quick"), job("slow", "slow", tmp_path / "pid"), job("never")]
    running = Processes(workers=1, threads=1, retries=3).run(jobs)
    assert next(running).name == "quick"
    pid = _wait_for(tmp_path / "pid")
    if how == "interrupt":
        # A job in the background inherits from its shell that interrupts are ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Timer(0.2, os.kill, (os.getpid(), 2)).start()
        with pytest.raises(KeyboardInterrupt):
            next(running)
        signal.signal(signal.SIGINT, before)
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list((tmp_path / "tmp").iterdir()) == [] and not (tmp_path / "never").exists()


def _wait_for(path):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(path.read_text())

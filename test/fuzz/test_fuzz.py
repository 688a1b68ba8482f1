"""A short run of ``make fuzz``, and that what must not happen is seen."""

from __future__ import annotations

import sys
from pathlib import Path

from fuzz.files import FileFuzz
from fuzz.judge import judge
from fuzz.probe import Probe, Result
from fuzz.seeds import SEEDS
from fuzz.tally import Tally

INPUTS = 10 * len(SEEDS)


def test_changed_files_are_read_or_refused(tmp_path: Path, probe: Probe) -> None:
    tally, files = Tally(), FileFuzz(tmp_path / "work", tmp_path / "kept", probe)
    files.run(tally, seed=1, seconds=0, inputs=INPUTS)
    print(tally.figure(), file=sys.stderr)
    assert tally.total == INPUTS and set(tally.counts) == {seed.kind for seed in SEEDS}
    assert not tally.failures, tally.figure()
    alone = {seed.kind for seed in SEEDS if Path(seed.target).suffix}
    assert len(alone) > 20 and all(tally.counts[kind]["refused"] for kind in alone)


def test_an_error_that_names_nothing_is_a_failure(tmp_path: Path, probe: Probe) -> None:
    path = tmp_path / "q.json"
    path.write_text("[")
    assert probe.ask("queries", path).outcome == "refused"
    assert probe.ask("queries", path, ["another"]).outcome == "nameless"
    untyped = probe.ask("no such reader", path)
    assert untyped.outcome == "untyped" and "KeyError" in untyped.error


def test_a_reader_that_is_late_or_gone_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text("{}")
    with Probe(patience_s=0.0) as late:
        assert late.ask("queries", tmp_path / "q.json").outcome == "hung"
    with Probe() as gone:
        gone._running().kill()
        assert gone.ask("queries", tmp_path / "q.json").outcome == "crashed"
        assert gone.ask("queries", tmp_path / "q.json").outcome == "refused"


def test_time_and_memory_are_judged() -> None:
    assert judge(Result("ok", 0.1, 1000, "")) == "ok"
    assert judge(Result("refused", 1.1, 1000, "")) == "slow"
    assert judge(Result("ok", 0.1, 600_000_000, "")) == "large"
    assert judge(Result("untyped", 9.0, 600_000_000, "")) == "untyped"
    tally = Tally()
    for outcome in ("ok", "refused", "slow", "hung"):
        tally.add("files", outcome, 0.5, 3_000_000)
    assert (tally.total, tally.failures) == (4, 2)
    last = tally.figure().splitlines()[-1]
    assert last.split() == ["all", *["1", "1", "0", "0", "0", "1", "0", "1", "0"], "0.50", "3"]
    tally.add("files", "refused", code="IO")
    assert tally.figure().splitlines()[-1] == "told as: IO 1"

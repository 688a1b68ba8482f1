"""What becomes of rows that cannot be measured, that fail, and that are interrupted."""

from __future__ import annotations

import pytest

from om3d_core.bench import machine, runner
from om3d_core.bench.rows import FAIL, NOT_RUN, PASS, CannotMeasureError, chosen, measured
from om3d_core.bench.runner import INTERRUPTED, NEEDS_ROS, run
from om3d_core.bench.workbench import SceneChoice, workbench
from om3d_core.errors import CanceledError
from om3d_core.progress import Job


@pytest.fixture
def bench(tmp_path):
    with workbench(SceneChoice(tmp_path), Job()) as bench:
        yield bench


def raising(error):
    def measure(bench):
        raise error

    return measure


def good(row_id, value=1.0):
    return lambda bench: measured(row_id, "it", value)


@pytest.mark.parametrize("error", [CanceledError("stopped"), KeyboardInterrupt()])
def test_an_interrupt_keeps_what_was_measured_and_names_what_was_not(bench, error):
    calls = []
    measures = {
        "P3": good("P3"), "P4": raising(error), "P5": lambda b: calls.append("P5"),
    }
    rows = list(run(bench, chosen("crops"), measures))
    assert [row.verdict for row in rows] == [PASS, NOT_RUN, NOT_RUN]
    assert [row.why for row in rows[1:]] == [INTERRUPTED] * 2 and not calls


def test_a_job_that_is_canceled_interrupts_at_the_next_step(tmp_path):
    stopped = []
    with workbench(SceneChoice(tmp_path), Job(canceled=lambda: bool(stopped))) as bench:
        def measure(bench):
            bench.job.step("first", 0, 2)
            stopped.append(True)
            bench.job.step("second", 1, 2)

        rows = list(run(bench, chosen("P3,P4"), {"P3": measure, "P4": good("P4")}))
    assert [row.why for row in rows] == [INTERRUPTED] * 2


def test_what_cannot_be_measured_or_fails_says_so_and_the_rest_goes_on(bench):
    measures = {
        "P3": raising(CannotMeasureError("needs transformers")),
        "P4": raising(ZeroDivisionError("division by zero")),
        "P5": good("P5"),
    }
    rows = list(run(bench, chosen("crops,P7"), measures))
    assert [row.spec.id for row in rows] == ["P3", "P4", "P5", "P7"]
    assert rows[0].why == "needs transformers" and rows[0].value is None
    assert rows[1].why == "failed: ZeroDivisionError: division by zero"
    assert rows[2].verdict == PASS
    assert rows[3].why == NEEDS_ROS and rows[3].verdict == NOT_RUN


@pytest.mark.parametrize(
    ("used", "value", "said"), [(1.4, 2.0, True), (0.1, 2.0, False), (None, 2.0, False),
                                (1.4, 1.0, False)],
)
def test_a_missed_bar_tells_of_other_programs(bench, monkeypatch, used, value, said):
    monkeypatch.setattr(runner.OtherPrograms, "cores", lambda self: used)
    (row,) = run(bench, chosen("P3"), {"P3": good("P3", value)})
    assert row.verdict == (FAIL if value > 1 else PASS)
    assert ("other programs used 1.4 of" in row.reason) == said
    assert row.details.get("cores_used_by_others") == used


def test_work_of_this_process_is_not_that_of_others(monkeypatch):
    moments = iter([(100.0, 50.0, 10.0), (102.0, 53.0, 11.0)])
    monkeypatch.setattr(machine, "_times", lambda: next(moments))
    assert machine.OtherPrograms().cores() == pytest.approx(1.0)


def test_a_system_that_does_not_tell_of_other_programs(monkeypatch):
    monkeypatch.setattr(machine, "_times", lambda: (100.0, None, 10.0))
    assert machine.OtherPrograms().cores() is None


def test_facts_are_those_of_a_machine():
    facts = machine.facts()
    assert set(facts) == {"cpu", "cores", "memory_gb", "system", "python", "om3d"}
    assert facts["cores"] >= 1 and facts["memory_gb"] > 0 and facts["cpu"]

"""Runs jobs to their end, whatever becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from om3d_core.batch.jobs import Outcome, Runner, SceneJob
from om3d_core.progress import Report


def finish(
    jobs: Sequence[SceneJob],
    runner: Runner,
    report: Report,
    ended: Callable[[SceneJob, Outcome], None],
) -> list[Outcome]:
    """The outcomes in the order of the jobs. ended: called as each job ends.

    Interrupted, it ends the jobs that are under way.
    """
    by_name = {job.name: job for job in jobs}
    outcomes: dict[str, Outcome] = {}
    report("scenes", 0, len(jobs))
    with closing(runner.run(jobs)) as running:
        for outcome in running:
            outcomes[outcome.name] = outcome
            ended(by_name[outcome.name], outcome)
            report("scenes", len(outcomes), len(jobs))
    return [outcomes[job.name] for job in jobs]

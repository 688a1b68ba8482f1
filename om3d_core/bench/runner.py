"""Measures the rows that were asked for, one after another; what was measured is never lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from om3d_core.bench.machine import OtherPrograms, cores
from om3d_core.bench.measures import Measure
from om3d_core.bench.rows import FAIL, CannotMeasureError, Row, Spec, not_run
from om3d_core.bench.workbench import Workbench
from om3d_core.errors import CanceledError, reason_of

NEEDS_ROS = "needs ROS 2 and the nodes of om3d"
INTERRUPTED = "interrupted"
MUCH = 0.2
"""Cores in use by others from which a missed bar says so."""


def run(
    bench: Workbench, specs: Sequence[Spec], measures: Mapping[str, Measure]
) -> Iterator[Row]:
    """A row for each of ``specs``, in their order.

    A row that cannot be measured here, or whose measuring fails, is *not run* and says why. Once
    interrupted, by the job or by KeyboardInterrupt, so are all that were left.
    """
    interrupted = False
    for spec in specs:
        if interrupted:
            yield not_run(spec, INTERRUPTED)
            continue
        try:
            yield _measure(bench, spec, measures)
        except (CanceledError, KeyboardInterrupt):
            interrupted = True
            yield not_run(spec, INTERRUPTED)


def _measure(bench: Workbench, spec: Spec, measures: Mapping[str, Measure]) -> Row:
    if spec.id not in measures:
        return not_run(spec, NEEDS_ROS if spec.needs_nodes else "not measured by this command")
    others = OtherPrograms()
    try:
        row = measures[spec.id](bench)
    except CanceledError:
        raise
    except CannotMeasureError as error:
        return not_run(spec, reason_of(error))
    except Exception as error:
        return not_run(spec, f"failed: {type(error).__name__}: {reason_of(error)}")
    return _with_company(row, others.cores())


def _with_company(row: Row, used: float | None) -> Row:
    """The row, with how many cores other programs used meanwhile."""
    if used is None:
        return row
    details = {**row.details, "cores_used_by_others": round(used, 2)}
    why = row.why
    if row.verdict == FAIL and used > MUCH:
        said = f"other programs used {used:.1f} of {cores()} cores meanwhile"
        why = f"{why}; {said}" if why else said
    return replace(row, details=details, why=why)

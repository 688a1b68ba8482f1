"""Whether anything grew, or became slower, once the nodes were warm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import theilslopes

from soak.record import Record

WARM_UP = 1 / 3
"""The share of the time that is not judged: models load, caches and pools fill."""
MAX_GROWTH = 0.01
MAX_SLOWDOWN, NOISE_S = 1.5, 0.05
MIN_MAPS, CONFIDENCE = 8, 0.95

Array = npt.NDArray[np.float64]


class Check(NamedTuple):
    """One judgment: what was measured, the most that it may be, and whether it is."""

    name: str
    value: float
    limit: float

    @property
    def good(self) -> bool:
        """Whether the value is within the limit; what was not measured is not."""
        return self.value <= self.limit

    def __str__(self) -> str:
        mark = "ok  " if self.good else "FAIL"
        return f"{mark} {self.name}: {self.value:.4g} (at most {self.limit:.4g})"


def verdict(record: Record) -> list[Check]:
    """All checks of a run.

    Memory: see :func:`growth`. Threads and descriptors: the median of the last third of the time
    after warm-up less that of the first. Answers: the same thirds, by the latency of all but 1 %.
    """
    checks = []
    for node in record.nodes:
        checks.append(Check(f"{node}: sure growth of memory", growth(record, node), MAX_GROWTH))
        for what in ("threads", "descriptors"):
            first, last = thirds(record.times_s, record.held(node, what))
            more = float(np.median(last) - np.median(first)) if len(first) else np.nan
            checks.append(Check(f"{node}: more {what}", more, 0.0))
    at_s = np.array([answer.at_s for answer in record.answers], np.float64)
    latency_s = np.array([answer.latency_s for answer in record.answers], np.float64)
    first, last = thirds(at_s, latency_s)
    p99 = [float(np.quantile(part, 0.99)) if len(part) else np.nan for part in (first, last)]
    checks.append(Check("p99 of answers (s)", p99[1], MAX_SLOWDOWN * p99[0] + NOISE_S))
    checks.append(Check("answers with an error", sum(bool(a.error) for a in record.answers), 0))
    return checks


def growth(record: Record, node: str) -> float:
    """What the memory of a node surely grew by after warm-up, as a share of its median.

    It comes and goes with the map, and no two maps are alike: the level of a map is the median of
    its samples, from one clearing to the next. Through the levels goes a line by the median of the
    slopes between any two (Theil and Sen); sure is the lower end of its 95 % confidence interval.
    NaN where there were too few maps to tell.
    """
    warm = is_warm(record.times_s)
    times, memory = record.times_s[warm], record.held(node, "memory_mb")[warm]
    maps = record.maps[warm]
    found = np.unique(maps)
    if len(found) < MIN_MAPS:
        return float("nan")
    at_s = [float(np.median(times[maps == number])) for number in found]
    level_mb = [float(np.median(memory[maps == number])) for number in found]
    slope = theilslopes(level_mb, at_s, CONFIDENCE).low_slope
    return float(slope * np.ptp(times) / np.median(level_mb))


def thirds(times_s: Array, values: Array) -> tuple[Array, Array]:
    """The values of the first and of the last third of the warm time."""
    warm = is_warm(times_s)
    if not warm.any():
        return values[:0], values[:0]
    start, stop = times_s[warm][0], times_s[warm][-1]
    third = (stop - start) / 3
    return values[warm & (times_s <= start + third)], values[warm & (times_s >= stop - third)]


def is_warm(times_s: Array) -> npt.NDArray[np.bool_]:
    """Which times are after the warm-up."""
    return times_s >= WARM_UP * times_s.max(initial=0.0)

"""What machine this is, and how much of it other programs use."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import Any

from om3d_core import __version__

CPU_INFO, STAT = Path("/proc/cpuinfo"), Path("/proc/stat")
STATUS = Path("/proc/self/status")
BUSY_COLUMNS = (0, 1, 2, 5, 6)
"""Of the line ``cpu`` of /proc/stat: user, nice, system, irq and softirq."""
GB = 1e9
KIB = 1024


def facts() -> dict[str, Any]:
    """The machine for a history: processor, cores, memory in GB, versions."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "om3d": __version__,
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def peak_bytes() -> int:
    """Largest resident memory so far; where the system does not tell that of this program alone,
    it counts that of the program which started it, too."""
    if STATUS.is_file():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


class OtherPrograms:
    """How many cores other programs have used since this was made; None where it is not told."""

    def __init__(self) -> None:
        self._wall_s, self._all_s, self._own_s = _times()

    def cores(self) -> float | None:
        """Mean number of cores since the beginning."""
        wall_s, all_s, own_s = _times()
        passed_s = wall_s - self._wall_s
        if all_s is None or self._all_s is None or passed_s <= 0:
            return None
        used_s = all_s - self._all_s - (own_s - self._own_s)
        return max(used_s / passed_s, 0.0)


def _times() -> tuple[float, float | None, float]:
    """Seconds since some moment: by the clock, of all programs' work, and of this one's."""
    own = os.times()
    own_s = own.user + own.system + own.children_user + own.children_system
    if not STAT.is_file():
        return own.elapsed, None, own_s
    columns = STAT.read_text().split("\n", 1)[0].split()[1:]
    ticks = sum(int(columns[i]) for i in BUSY_COLUMNS)
    return own.elapsed, ticks / os.sysconf("SC_CLK_TCK"), own_s


def _cpu() -> str:
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

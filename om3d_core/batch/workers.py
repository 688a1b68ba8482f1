"""Where scenes are run: on how many cores of this machine, or on a cluster."""

from __future__ import annotations

import os
from pathlib import Path

from om3d_core.batch.jobs import Runner
from om3d_core.batch.processes import Processes
from om3d_core.batch.settings import BatchSettings
from om3d_core.bench.machine import cores

MEMORY = Path("/proc/meminfo")
GB = 1e9


def create_runner(settings: BatchSettings, n_jobs: int) -> Runner:
    """What runs ``n_jobs`` jobs. Raises SettingsError where Ray is asked for and not there."""
    if settings.ray:
        from om3d_core.batch.ray_cluster import RayCluster

        return RayCluster(settings)
    workers = choose_workers(settings, n_jobs, cores(), free_bytes())
    return Processes(workers, max(cores() // workers, 1), settings.retries)


def choose_workers(settings: BatchSettings, n_jobs: int, n_cores: int, free: int) -> int:
    """How many scenes are run at a time: as many as asked for, else as cores and memory allow."""
    allowed = settings.workers or min(n_cores, int(free / (settings.memory_gb * GB)))
    return max(min(allowed, n_jobs), 1)


def free_bytes() -> int:
    """Memory that programs may still take; all that there is where the system does not tell."""
    if MEMORY.is_file():
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

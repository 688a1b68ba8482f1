"""Jobs as tasks of a Ray cluster whose machines share a file system and have om3d installed."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from om3d_core.batch.jobs import FAILED, Outcome, SceneJob
from om3d_core.batch.processes import Processes
from om3d_core.batch.settings import BatchSettings
from om3d_core.errors import SettingsError, reason_of

GB = 10**9


class RayCluster:
    """Runs a job on each free core of the cluster, at most ``settings.workers`` at a time.

    A job whose worker is lost is begun anew elsewhere ``settings.retries`` times, as is one whose
    process on the worker is killed. Raises :class:`SettingsError` where the package ``ray`` or
    the cluster is missing.
    """

    def __init__(self, settings: BatchSettings):
        try:
            import ray
        except ImportError as error:
            raise SettingsError(
                "ray: expected the package ray, found none; pip install 'om3d[ray]'"
            ) from error
        self._ray: Any = ray
        self._settings = settings
        try:
            ray.init(settings.ray, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise SettingsError(
                f"ray: expected a cluster at {settings.ray!r:.80}, got {reason_of(error)}"
            ) from error
        largest = max(node["Resources"].get("memory", 0) for node in ray.nodes() if node["Alive"])
        if settings.memory_gb * GB > largest:
            ray.shutdown()
            raise SettingsError(
                f"memory_gb: expected at most {largest / GB:.1f}, the memory of the largest"
                f" machine of the cluster, got {settings.memory_gb:g}"
            )

    def run(self, jobs: Sequence[SceneJob]) -> Generator[Outcome, None, None]:
        """See :class:`om3d_core.batch.jobs.Runner`."""
        ray, settings = self._ray, self._settings
        task = ray.remote(
            num_cpus=1, memory=int(settings.memory_gb * GB), max_retries=settings.retries
        )(run_here)
        waiting, running = list(jobs), dict[Any, SceneJob]()
        try:
            while waiting or running:
                while waiting and (not settings.workers or len(running) < settings.workers):
                    job = waiting.pop(0)
                    running[task.remote(job, settings.retries)] = job
                (ended,), _ = ray.wait(list(running), num_returns=1)
                yield self._outcome(ended, running.pop(ended))
        finally:
            for task_of_job in running:
                ray.cancel(task_of_job, force=True)
            ray.shutdown()

    def _outcome(self, ended: Any, job: SceneJob) -> Outcome:
        try:
            outcome: Outcome = self._ray.get(ended)
        except self._ray.exceptions.RayError as error:
            attempts = self._settings.retries + 1
            return Outcome(job.name, FAILED, attempts, error=f"Ray: {reason_of(error)}")
        return outcome


def run_here(job: SceneJob, retries: int) -> Outcome:
    """Run a job on the core that Ray gave it."""
    return Processes(workers=1, threads=1, retries=retries).run_one(job)

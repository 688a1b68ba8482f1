"""The same jobs on a Ray cluster of this machine, two workers; one is killed in between."""

from __future__ import annotations

import pytest

from om3d_core.batch.finish import finish
from om3d_core.batch.jobs import DONE, FAILED
from om3d_core.batch.ray_cluster import RayCluster
from om3d_core.batch.settings import BatchSettings
from om3d_core.errors import SettingsError

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray", reason="needs the package ray, pip install om3d[ray]")


@pytest.fixture(scope="module")
def address(importable):
    """A cluster of two machines of one core each, both played by this one."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "memory": 4e9})
    cluster.add_node(num_cpus=1, memory=4e9)
    yield cluster.address
    cluster.shutdown()


def test_a_killed_worker_costs_no_scene(address, job, tmp_path):
    jobs = [job("a"), job("b", "worker_killed", tmp_path / "marker"), job("c", "refused"),
            job("d", "killed", tmp_path / "other"), job("e")]  # fmt: skip
    settings = BatchSettings(ray=address, retries=1, memory_gb=1.0)
    outcomes = finish(jobs, RayCluster(settings), lambda *step: None, lambda job, outcome: None)
    assert [o.state for o in outcomes] == [DONE, DONE, FAILED, DONE, DONE]
    assert (tmp_path / "marker").exists() and outcomes[3].attempts == 2
    assert outcomes[1].summary == {"name": "b", "threads": "1", "cwd": str(tmp_path)}
    assert outcomes[2].error == "c: expected a scene, found none"
    assert not ray.is_initialized()


def test_without_retries_a_killed_worker_fails_its_scene_alone(address, job, tmp_path):
    settings = BatchSettings(ray=address, retries=0, memory_gb=1.0, workers=1)
    a, b = RayCluster(settings).run([job("a", "worker_killed", tmp_path / "marker"), job("b")])
    assert (a.state, b.state) == (FAILED, DONE) and a.error.startswith("Ray: ")


def test_a_cluster_that_cannot_do_it_is_told(address):
    with pytest.raises(SettingsError, match=r"memory_gb: expected at most 4\.0, .* got 50"):
        RayCluster(BatchSettings(ray=address, memory_gb=50.0))
    assert not ray.is_initialized()
    with pytest.raises(SettingsError, match=r"ray: expected a cluster at 'nowhere'"):
        RayCluster(BatchSettings(ray="nowhere"))

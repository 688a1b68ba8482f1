"""How many scenes at a time."""

from __future__ import annotations

import sys

import pytest

from om3d_core.batch.settings import BatchSettings
from om3d_core.batch.workers import choose_workers, create_runner, free_bytes
from om3d_core.errors import SettingsError


@pytest.mark.parametrize(
    ("workers", "n_jobs", "cores", "free_gb", "expected"),
    [(0, 100, 8, 64, 8), (0, 100, 8, 5, 2), (0, 3, 8, 64, 3), (0, 9, 8, 0.5, 1), (5, 9, 2, 1, 5),
     (5, 2, 8, 64, 2)],
)  # fmt: skip
def test_cores_and_memory_bound_what_is_not_asked_for(workers, n_jobs, cores, free_gb, expected):
    settings = BatchSettings(workers=workers, memory_gb=2.0)
    assert choose_workers(settings, n_jobs, cores, int(free_gb * 1e9)) == expected


def test_some_memory_is_free():
    assert 1e6 < free_bytes() < 1e15


def test_a_missing_ray_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"expected the package ray.*om3d\[ray\]"):
        create_runner(BatchSettings(ray="local"), 1)

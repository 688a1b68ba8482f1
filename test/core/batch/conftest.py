"""Jobs of a toy command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from om3d_core.batch.jobs import SceneJob

ROOT = Path(__file__).parents[3]


@pytest.fixture
def job(tmp_path):
    """Makes the job of a scene whose command does what it is told, see helpers/batch_command.py.
    """

    def make(name, *told):
        return SceneJob(
            name, "helpers.batch_command", (name, *map(str, told)), tmp_path / name, tmp_path
        )

    return make


@pytest.fixture(autouse=True, scope="module")
def importable():
    """Processes find the toy command, too."""
    with pytest.MonkeyPatch.context() as patch:
        places = [str(ROOT), str(ROOT / "test"), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))
        yield

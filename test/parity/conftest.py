"""Where the fixtures are, and how a test reads one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.kinds import Fixture

DEFAULT_FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "fixtures"


@pytest.fixture(scope="session")
def fixture_folder() -> Path:
    """The folder that OM3D_FIXTURES names, by default ../shared/fixtures."""
    named = os.environ.get("OM3D_FIXTURES")
    folder = Path(named) if named else DEFAULT_FOLDER
    if not folder.is_dir():
        if named:
            pytest.fail(f"OM3D_FIXTURES names no folder: {folder}")
        pytest.skip(f"needs reference arrays: no folder {folder} (set OM3D_FIXTURES)")
    return folder


@pytest.fixture(scope="session")
def load(fixture_folder: Path) -> Callable[[str], Fixture]:
    """Reads the fixture of a kind; a folder that lacks it skips the test."""

    def read(kind: str) -> Fixture:
        if not (fixture_folder / f"{kind}.npz").is_file():
            pytest.skip(f"{fixture_folder} holds no {kind}.npz")
        return Fixture.load(fixture_folder, kind)

    return read

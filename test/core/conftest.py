"""Fixtures for tests of the core."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model on this machine but those of packages."""
    import huggingface_hub.constants

    monkeypatch.setenv("OM3D_CACHE", str(tmp_path / "om3d"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

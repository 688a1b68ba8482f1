"""Plug-ins by name: a registry maps a name to ``module:attribute``, imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from om3d_core.errors import SettingsError


def lookup(registry: Mapping[str, str], name: str, kind: str) -> Any:
    """Import what ``registry`` holds under ``name``; ``kind`` is named in the error."""
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise SettingsError(f"unknown {kind} {name!r}, expected one of {known}")
    module, _, attribute = registry[name].partition(":")
    return getattr(importlib.import_module(module), attribute)

"""Leaves these tests out where there is no MinkowskiEngine: `make test-minkowski` builds it."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("MinkowskiEngine") else ["test_*.py"]

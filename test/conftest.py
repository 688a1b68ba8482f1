"""Fixtures and collection rules for all tests."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.probe import Probe

REPOSITORY = Path(__file__).resolve().parents[1]
NODE_FOLDERS = ("ros", "e2e")

# Above this the ports of a DDS domain fall into the range from which Linux gives out ports.
LAST_DOMAIN_ID = 101


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start nodes."""
    test_root = Path(__file__).parent
    for item in items:
        in_folder = item.path.relative_to(test_root).parts[0] in NODE_FOLDERS
        if in_folder or "ros_domain_id" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.nodes)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded scenes beside the repository, or the one that OM3D_SHARED names."""
    folder = Path(os.environ.get("OM3D_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs recorded scenes: no folder {folder / 'data'} (set OM3D_SHARED)")
    return folder


@pytest.fixture(scope="session")
def probe() -> Iterator[Probe]:
    """Reads files in a process of its own and says how long it took and how much memory."""
    with Probe() as started:
        yield started


@pytest.fixture(scope="session")
def ros_domain_id() -> Iterator[int]:
    """A DDS domain that nobody on this machine uses, set in the environment for child processes.

    The domain is locked for the session, so that two test runs at once do not meet.
    """
    with pytest.MonkeyPatch.context() as patch:
        for domain_id in _shuffled_domain_ids():
            with open(f"/tmp/om3d-domain-{domain_id}-{os.getuid()}.lock", "w") as lock:
                if not _lock(lock.fileno()) or not _is_free(domain_id):
                    continue
                patch.setenv("ROS_DOMAIN_ID", str(domain_id))
                patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
                yield domain_id
                return
        raise RuntimeError(f"expected a free DDS domain among 1..{LAST_DOMAIN_ID}, found none")


def _shuffled_domain_ids() -> list[int]:
    first = os.getpid() % LAST_DOMAIN_ID
    return [1 + (first + offset) % LAST_DOMAIN_ID for offset in range(LAST_DOMAIN_ID)]


def _lock(file_descriptor: int) -> bool:
    try:
        fcntl.flock(file_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(domain_id: int) -> bool:
    """Whether the discovery port of the domain and of its first participant can be bound."""
    base = 7400 + 250 * domain_id
    for port in (base, base + 10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True

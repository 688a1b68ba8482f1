"""A recorded scene into a mapper."""

from __future__ import annotations

from collections.abc import Iterator

from om3d_core.errors import NothingMappedError, UnusableFrameError
from om3d_core.mapping.mapper import Mapper
from om3d_core.sources.base import Source


def feed(source: Source, mapper: Mapper) -> Iterator[int]:
    """Give the source's cloud, if it has one, and every frame to the mapper.

    Yields after each frame how many there were. A frame that shows nothing is skipped and
    counted by the source; raises :class:`NothingMappedError` at the end if none was kept.
    """
    cloud = source.cloud()
    if cloud is not None:
        mapper.set_cloud(cloud)
    for done, frame in enumerate(source, start=1):
        try:
            mapper.add_frame(frame)
        except UnusableFrameError as error:
            source.skipped.add(error.reason)
        yield done
    if not mapper.n_keyframes:
        why = "; ".join(source.skipped.lines) or "the scene is empty"
        raise NothingMappedError(f"expected at least one usable frame, all were skipped: {why}")

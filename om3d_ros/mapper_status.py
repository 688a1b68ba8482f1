"""What the mapper has done, counted, and the message that tells it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from om3d.msg import MapperStatus
from std_msgs.msg import Header

from om3d_core.mapping.mapper import Mapper
from om3d_core.streams.assembler import StreamState
from om3d_ros.node.worker import WorkerState


@dataclass(frozen=True)
class Refreshed:
    """The outcome of a refresh."""

    map_id: str
    revision: int
    n_instances: int
    n_encoded: int
    duration_s: float


@dataclass
class Counts:
    """What has been done since the node was activated."""

    processed: int = 0
    kept: int = 0
    clouds: int = 0
    rejected: int = 0
    refreshes_failed: int = 0
    dropped: int = 0


def to_status(
    header: Header,
    counts: Counts,
    cameras: Collection[StreamState],
    workers: Collection[WorkerState],
    mapper: Mapper,
) -> MapperStatus:
    """The message of what all cameras sent, and what became of it."""
    return MapperStatus(
        header=header,
        frames_received=sum(camera.received["color"] for camera in cameras),
        frames_paired=sum(camera.paired for camera in cameras),
        frames_processed=counts.processed,
        frames_kept=counts.kept,
        inputs_rejected=counts.rejected,
        frames_dropped=sum(worker.dropped for worker in workers) - counts.dropped,
        frames_unpaired=sum(camera.lost for camera in cameras),
        clouds_processed=counts.clouds,
        pending=sum(camera.pending for camera in cameras),
        queue_depth=sum(worker.depth for worker in workers),
        busy=any(worker.busy for worker in workers),
        map_id=mapper.map_id,
        revision=mapper.revision,
        refreshes_failed=counts.refreshes_failed,
    )

"""Published data sets with labels, a layout a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from om3d_core.registry import Plugin, Registry

if TYPE_CHECKING:
    from om3d_core.sources.datasets.base import DatasetScene

ROOM = "om3d_core.sources.datasets"
REGISTRY: Registry[DatasetScene] = Registry("data set", {
    "scannet200": Plugin(f"{ROOM}.scannet:ScanNetScene", "ScanNetSettings"),
    "scannetpp": Plugin(f"{ROOM}.scannetpp:ScanNetPPScene", "ScanNetPPSettings"),
    "replica": Plugin(f"{ROOM}.replica:ReplicaScene", "ReplicaSettings"),
})

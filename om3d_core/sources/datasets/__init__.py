"""Published data sets with labels, a layout a file."""

from om3d_core.registry import Plugin, Registry

ROOM = "om3d_core.sources.datasets"
REGISTRY = Registry("data set", {
    "scannet200": Plugin(f"{ROOM}.scannet:ScanNetScene", "ScanNetSettings"),
    "scannetpp": Plugin(f"{ROOM}.scannetpp:ScanNetPPScene", "ScanNetPPSettings"),
    "replica": Plugin(f"{ROOM}.replica:ReplicaScene", "ReplicaSettings"),
})

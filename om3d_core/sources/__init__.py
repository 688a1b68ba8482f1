"""Recorded scenes, one file or folder a format; each is an iterator of Frames."""

from om3d_core.registry import Plugin, Registry

REGISTRY = Registry("source", {
    "bag": Plugin("om3d_core.sources.bag.source:RosbagSource", "RosbagSettings"),
    "folder": Plugin("om3d_core.sources.folder:FolderSource", "FolderSettings"),
})

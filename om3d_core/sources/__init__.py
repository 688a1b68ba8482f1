"""Recorded scenes, one file or folder a format; each is an iterator of Frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from om3d_core.registry import Plugin, Registry

if TYPE_CHECKING:
    from om3d_core.sources.base import Source

REGISTRY: Registry[Source] = Registry("source", {
    "bag": Plugin("om3d_core.sources.bag.source:RosbagSource", "RosbagSettings"),
    "folder": Plugin("om3d_core.sources.folder:FolderSource", "FolderSettings"),
})

"""Class-agnostic 3D mask proposals, one file or folder a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from om3d_core.registry import Plugin, Registry

if TYPE_CHECKING:
    from om3d_core.proposals.base import Proposer

ROOM = "om3d_core.proposals"
REGISTRY: Registry[Proposer] = Registry("proposer", {
    "geometric": Plugin(f"{ROOM}.geometric:GeometricProposer", "GeometricSettings"),
    "mask3d": Plugin(f"{ROOM}.mask3d:Mask3DProposer", "Mask3DSettings", "checkpoint"),
    "segment3d": Plugin(f"{ROOM}.segment3d:Segment3DProposer", "Segment3DSettings", "checkpoint"),
    "precomputed": Plugin(f"{ROOM}.precomputed:PrecomputedProposer", "PrecomputedSettings"),
})

"""Class-agnostic 3D mask proposals, one file or folder a method."""

from om3d_core.registry import Plugin, Registry

ROOM = "om3d_core.proposals"
REGISTRY = Registry("proposer", {
    "geometric": Plugin(f"{ROOM}.geometric:GeometricProposer", "GeometricSettings"),
    "mask3d": Plugin(f"{ROOM}.mask3d:Mask3DProposer", "Mask3DSettings", "checkpoint"),
    "segment3d": Plugin(f"{ROOM}.segment3d:Segment3DProposer", "Segment3DSettings", "checkpoint"),
    "precomputed": Plugin(f"{ROOM}.precomputed:PrecomputedProposer", "PrecomputedSettings"),
})

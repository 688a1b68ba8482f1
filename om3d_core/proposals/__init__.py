"""Class-agnostic 3D mask proposals, one file or folder a method."""

REGISTRY = {
    "geometric": "om3d_core.proposals.geometric:GeometricProposer",
    "mask3d": "om3d_core.proposals.mask3d:Mask3DProposer",
    "precomputed": "om3d_core.proposals.precomputed:PrecomputedProposer",
    "segment3d": "om3d_core.proposals.segment3d:Segment3DProposer",
}

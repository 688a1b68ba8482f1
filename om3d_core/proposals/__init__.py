"""Class-agnostic 3D mask proposals, one file or folder a method."""

REGISTRY = {
    "geometric": "om3d_core.proposals.geometric:GeometricProposer",
    "precomputed": "om3d_core.proposals.precomputed:PrecomputedProposer",
}

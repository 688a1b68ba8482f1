"""Object masks from geometry and color alone: planes, convex parts, supports."""

from om3d_core.proposals.geometric.proposer import GeometricProposer
from om3d_core.proposals.geometric.settings import GeometricSettings
from om3d_core.proposals.surface.gravity import estimate_up

__all__ = ["GeometricProposer", "GeometricSettings", "estimate_up"]

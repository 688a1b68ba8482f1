"""Object masks from geometry and color alone: planes, convex parts, supports."""

from om3d_core.proposals.geometric.proposer import GeometricProposer
from om3d_core.proposals.geometric.settings import GeometricSettings

__all__ = ["GeometricProposer", "GeometricSettings"]

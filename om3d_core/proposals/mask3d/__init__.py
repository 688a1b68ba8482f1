"""Mask3D: class-agnostic masks from a sparse U-Net and a transformer decoder."""

from om3d_core.proposals.mask3d.proposer import Mask3DProposer
from om3d_core.proposals.mask3d.settings import Mask3DSettings

__all__ = ["Mask3DProposer", "Mask3DSettings"]

"""Parity with arrays that the original OpenMask3D and OpenMask3D++ code produced."""

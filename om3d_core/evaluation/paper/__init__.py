"""The tables of OpenMask3D++."""

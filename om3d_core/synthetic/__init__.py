"""Furnished, labeled RGB-D scenes rendered on the CPU from a package of household objects."""

from om3d_core.synthetic.generate import SynthSettings, synthesize

__all__ = ["SynthSettings", "synthesize"]

"""Pictures of a map and of its answers, drawn on the CPU without OpenGL."""

from om3d_core.pictures.answer import render_answer, render_instances, save_png

__all__ = ["render_answer", "render_instances", "save_png"]

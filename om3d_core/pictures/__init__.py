"""Pictures of a map and of its answers, drawn on the CPU without OpenGL."""

"""The rows of ``om3d bench`` that are about the nodes and their messages."""

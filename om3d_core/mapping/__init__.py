"""Frames to a map of instances."""

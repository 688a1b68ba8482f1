"""Recorded scenes, one file a format; each is an iterator of Frames."""

"""Bytes to arrays and back, a format a file."""

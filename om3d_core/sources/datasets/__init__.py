"""Published data sets with labels, a layout a file."""

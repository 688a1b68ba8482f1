"""What else a view tells of a thing than how it looks."""

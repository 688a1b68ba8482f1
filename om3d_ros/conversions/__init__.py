"""Messages to core types and back, one conversion a file."""

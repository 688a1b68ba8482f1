"""Questions to ranked instances."""

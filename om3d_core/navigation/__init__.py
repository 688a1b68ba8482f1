"""Where a robot stands to face an instance."""

"""What tests share: worlds, recordings, doubles for models, and nodes as processes."""

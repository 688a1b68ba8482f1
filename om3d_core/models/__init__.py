"""Weights: which there are, where they lie, how they are fetched and on what they run."""

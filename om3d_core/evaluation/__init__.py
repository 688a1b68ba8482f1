"""How good masks and answers are, measured against ground truth."""

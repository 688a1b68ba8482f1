"""What is wrong with an input, with its evidence and its cure."""

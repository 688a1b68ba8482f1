"""Equality with MinkowskiEngine itself; run by `make test-minkowski`, which builds it."""

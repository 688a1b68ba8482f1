"""Runs a real node with instant, exact models: ``python -m node_doubles mapper|query ...``."""

from __future__ import annotations

import sys

import doubles

import om3d_core.encoders
import om3d_core.proposals


def box_proposer(settings):
    """The proposer that knows the boxes of the test world."""
    return doubles.BoxProposer()


def main() -> int:
    """Register the doubles, then run the node."""
    om3d_core.encoders.REGISTRY["color"] = "doubles:ColorEncoder"
    om3d_core.proposals.REGISTRY["geometric"] = "node_doubles:box_proposer"
    if sys.argv[1] == "mapper":
        from om3d_ros.mapper_node import main as run
    else:
        from om3d_ros.query_node import main as run
    return run(sys.argv)


if __name__ == "__main__":
    sys.exit(main())

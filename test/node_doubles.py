"""Real nodes with instant, exact models; run as doubled_mapper and doubled_query."""

from __future__ import annotations

import sys

import doubles

import om3d_core.encoders
import om3d_core.proposals


def box_proposer(settings):
    """The proposer that knows the boxes of the test world."""
    return doubles.BoxProposer()


def run(main):
    """Register the doubles, then run the node of ``main``."""
    om3d_core.encoders.REGISTRY["color"] = "doubles:ColorEncoder"
    om3d_core.proposals.REGISTRY["geometric"] = "node_doubles:box_proposer"
    sys.exit(main(sys.argv))

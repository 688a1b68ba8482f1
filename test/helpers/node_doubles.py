"""Real nodes with instant, exact models; run as doubled_mapper and doubled_query."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import om3d_core.encoders
import om3d_core.proposals
from helpers import doubles


def box_proposer(settings):
    """The proposer that knows the boxes of the test world."""
    return doubles.BoxProposer()


class HeldBoxProposer(doubles.BoxProposer):
    """Waits for as long as a file is there, so that a refresh can be met at work."""

    def __init__(self, hold):
        super().__init__()
        self._hold = Path(hold)

    def propose(self, cloud, job, up):
        while self._hold.exists():
            job.step("propose", 0, 1)
            time.sleep(0.01)
        return super().propose(cloud, job, up)


def run(main):
    """Register the doubles, then run the node of ``main``."""
    om3d_core.encoders.REGISTRY["color"] = "helpers.doubles:ColorEncoder"
    om3d_core.proposals.REGISTRY["geometric"] = "helpers.node_doubles:box_proposer"
    om3d_core.proposals.REGISTRY["precomputed"] = "helpers.node_doubles:HeldBoxProposer"
    sys.exit(main(sys.argv))

"""Real nodes with instant, exact models; run as doubled_mapper and doubled_query."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from helpers import doubles
from om3d_core.encoders import REGISTRY as ENCODERS
from om3d_core.proposals import REGISTRY as PROPOSERS
from om3d_core.registry import Plugin


def box_proposer(settings):
    """The proposer that knows the boxes of the test world."""
    return doubles.BoxProposer()


class HeldBoxProposer(doubles.BoxProposer):
    """Waits for as long as a file is there, so that a refresh can be met at work."""

    def __init__(self, settings):
        super().__init__()
        self._hold = Path(settings.path)

    def propose(self, cloud, job, up):
        while self._hold.exists():
            job.step("propose", 0, 1)
            time.sleep(0.01)
        return super().propose(cloud, job, up)


def settings_path(name):
    """Where the settings of the proposer are that a double takes the place of."""
    kind = PROPOSERS.settings_type(name)
    return f"{kind.__module__}:{kind.__name__}"


def run(main):
    """Register the doubles, then run the node of ``main``."""
    ENCODERS["color"] = Plugin("helpers.doubles:ColorEncoder")
    for name, double in (("geometric", "box_proposer"), ("precomputed", "HeldBoxProposer")):
        PROPOSERS[name] = Plugin(f"helpers.node_doubles:{double}", settings_path(name))
    sys.exit(main(sys.argv))

"""What becomes of the inputs: a low share of used color images, and why."""

from __future__ import annotations

import time
from collections.abc import Mapping

from om3d_core.streams.usage import Totals, Usage
from om3d_ros.node.inputs import Input

CURES = {
    "depth": "stamps further off than sync.slop_s, or depth later than sync.wait_s",
    "camera_info": "stamps further off than sync.slop_s",
    "pose": "no poses around the stamp within pose.max_gap_s and sync.wait_s",
}


class Losses:
    """Watches how many of the color images sent are used.

    inputs: by name; ``color`` is among them, others are ``depth``, ``camera_info``, ``pose``.
    """

    def __init__(self, inputs: Mapping[str, Input]):
        self._inputs = inputs
        self._usage = Usage()

    def warnings(self, used: int, pending: int, without: Mapping[str, int]) -> list[str]:
        """Complaints of now; to be called once a second or so with counters that only grow.

        used: color images that became frames. pending: those that wait. without: for each other
        input the color images given up for want of it.
        """
        arrivals = {name: source.arrivals for name, source in self._inputs.items()}
        self._usage.add(time.monotonic(), Totals(
            {name: a.received for name, a in arrivals.items()},
            {name: a.lost for name, a in arrivals.items()},
            dict(without), used, pending,
        ))
        unheard = [text for source in self._inputs.values() for text in source.complaints]
        return unheard + ([self._low()] if self._usage.low else [])

    @property
    def values(self) -> dict[str, object]:
        """For each input how it comes and how many of its messages were lost on the way."""
        delivery = {f"delivery {name}": source.delivery for name, source in self._inputs.items()}
        lost = {f"lost {name}": source.arrivals.lost for name, source in self._inputs.items()}
        callback = max((source.callback_p99_s for source in self._inputs.values()), default=0.0)
        return {
            **delivery, **lost,
            "used share": f"{self._usage.share:.2f}",
            "callback work p99 (ms)": f"{1e3 * callback:.2f}",
        }

    def _low(self) -> str:
        usage = self._usage
        causes = [
            f"{n} messages of {self._inputs[name].topic} were lost on the way "
            f"({self._why_lost(self._inputs[name])})"
            for name, n in usage.lost.items()
        ]
        causes += [
            f"{n} had no {name} ({CURES[name]})" if name not in usage.lost else
            f"{n} had no {name}"
            for name, n in usage.without.items()
        ]
        share = f"only {usage.share:.0%} of the color images of the last {usage.window_s:g} s"
        return f"{share} were used: {', '.join(causes) or 'they came too late'}"

    @staticmethod
    def _why_lost(source: Input) -> str:
        if source.best_effort:
            return "best effort: a reliable publisher sends again what is lost"
        return "more came at once than sensor.qos_depth"

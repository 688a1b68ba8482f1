"""What is wrong with the inputs: absent, silent or not heard, or too few images are used; why."""

from __future__ import annotations

import time
from collections.abc import Mapping

from om3d_core.streams.assembler import StreamState
from om3d_core.streams.settings import SyncSettings
from om3d_core.streams.usage import Totals, Usage
from om3d_ros.node.inputs import Input

SILENT_S = 3.0
ONCE = ("camera_info", "cloud")
OPTIONAL = ("cloud", "tf", "tf_static", "depth_info")
CURES = {
    "color": "remap {camera}color/image_raw, launch argument color_topic",
    "depth": "remap {camera}depth/image_raw, launch argument depth_topic",
    "camera_info": "remap {camera}color/camera_info, launch argument camera_info_topic",
    "pose": "pose.source says which topic; remap it, launch arguments pose_source, "
            "odometry_topic, pose_topic",
}
LACKS = {
    "depth": "none within sync.slop_s, or later than sync.wait_s",
    "camera_info": "none came",
    "pose": "no transforms or poses around the stamp within pose.max_gap_s and sync.wait_s",
}


class InputHealth:
    """Watches the inputs of one camera and how many of the color images sent are used.

    inputs: by name, ``color``, ``depth``, ``camera_info``, ``depth_info``, ``cloud``,
    ``tf_static``, ``pose``, and ``tf`` if that is not what tells the poses. camera: its name.
    """

    def __init__(self, inputs: Mapping[str, Input], sync: SyncSettings, camera: str = ""):
        self._camera = camera
        self._inputs = inputs
        self._sync = sync
        self._usage = Usage()

    def topic(self, name: str) -> str:
        """The topic of an input, or its name while there is none."""
        return self._inputs[name].topic if name in self._inputs else name

    def clear(self) -> None:
        """Forget what became of the images until now."""
        self._usage = Usage()

    def complaints(self, streams: StreamState, lacks: str) -> dict[str, str]:
        """What is wrong now, by kind; to be called once a second or so.

        lacks: which transform is lacking, if one is. A camera that is fixed in the map needs none
        that are stamped.
        """
        arrivals = {name: source.arrivals for name, source in self._inputs.items()}
        self._usage.add(time.monotonic(), Totals(
            {name: a.received for name, a in arrivals.items()},
            {name: a.lost for name, a in arrivals.items()},
            streams.misses, streams.paired, streams.pending,
        ))
        found = {}
        for name, source in self._inputs.items():
            if unheard := source.complaints:
                found[f"{name} unheard"] = "; ".join(unheard)
            fixed = name == "pose" and not lacks and arrivals["tf_static"].received > 0
            if not fixed and (silent := self._silent(name, source)):
                found[f"{name} silent"] = silent
        if self._usage.low:
            found["share"] = self._low(streams.offsets_ns)
        return found

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

    def _silent(self, name: str, source: Input) -> str:
        """What to say of an input from which nothing comes, empty if all is well."""
        came = source.arrivals.received > 0
        if name in OPTIONAL or (came and (name in ONCE or source.silent_s < SILENT_S)):
            return ""
        if not source.publishers:
            cure = CURES[name].format(camera=f"{self._camera}/" if self._camera else "")
            return f"no messages on {name}: nothing publishes {source.topic} ({cure})"
        since = f" for {source.silent_s:.0f} s" if came else ""
        return (
            f"no messages on {name}{since}: {source.publishers} publishers of {source.topic}, "
            f"{source.delivery} is asked for (sensor.reliability, qos_overrides)"
        )

    def _low(self, offsets_ns: Mapping[str, int]) -> str:
        usage = self._usage
        causes = [
            f"{n} messages of {self._inputs[name].topic} were lost on the way "
            f"({self._why_lost(self._inputs[name])})"
            for name, n in usage.lost.items()
        ]
        causes += [
            f"{n} had no {name}" if name in usage.lost else
            f"{n} had no {name} ({self._why_lacking(name, offsets_ns.get(name, 0))})"
            for name, n in usage.without.items()
        ]
        images = f"color images of {self._camera}" if self._camera else "color images"
        share = f"only {usage.share:.0%} of the {images} of the last {usage.window_s:g} s"
        return f"{share} were used: {', '.join(causes) or 'they came too late'}"

    def _why_lacking(self, name: str, offset_ns: int) -> str:
        if abs(offset_ns) <= self._sync.slop_ns:
            return LACKS[name]
        when = "later" if offset_ns > 0 else "earlier"
        off = f"the stamps of {self.topic(name)} are {_span(abs(offset_ns))} {when} than color's"
        return f"{off}; sync.slop_s is {self._sync.slop_s:g}" if name == "depth" else off

    @staticmethod
    def _why_lost(source: Input) -> str:
        if source.best_effort:
            return "best effort: a reliable publisher sends again what is lost"
        return "more came at once than sensor.qos_depth"


def _span(ns: int) -> str:
    return f"{ns / 1e6:.0f} ms" if ns < 1e9 else f"{ns / 1e9:.1f} s"

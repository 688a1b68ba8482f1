"""What the mapper says of itself on /diagnostics and on the console."""

from __future__ import annotations

import time

from om3d.msg import MapperStatus

from om3d_core.mapping.state import MapperCounts
from om3d_core.streams.assembler import StreamState
from om3d_core.streams.usage import Window
from om3d_ros.node.diagnostics import Health, Latencies
from om3d_ros.node.input_health import InputHealth

RECENT = ("frames_dropped", "inputs_rejected", "refreshes_failed")


class MapperHealth:
    """Complaints of the last seconds, which end with their cause, and counters from the start."""

    def __init__(self, inputs: InputHealth, latencies: Latencies):
        self._inputs = inputs
        self._latencies = latencies
        self._recent = Window()
        self.last_error = ""

    def clear(self) -> None:
        """Forget what was wrong until now."""
        self._recent = Window()
        self._inputs.clear()

    def report(
        self, status: MapperStatus, mapped: MapperCounts, streams: StreamState, color_hz: float,
        lacks: str, active: bool,
    ) -> Health:
        """Complaints and values of now; ``lacks`` says which transform is lacking, if one is."""
        recent = self._recent
        counts = {name: getattr(status, name) for name in RECENT}
        recent.add(time.monotonic(), counts | {"places_lost": mapped.places_lost})
        warnings = self._inputs.complaints(streams, lacks) if active else {}
        if active and lacks:
            warnings["transform"] = f"no poses: {lacks} (map_frame, pose.source)"
        if n := recent.change("frames_dropped"):
            warnings["dropped"] = (
                f"{n} frames dropped from the full queue {recent} (queue.capacity)"
            )
        if n := recent.change("places_lost"):
            warnings["forgotten"] = (
                f"{n} places have no keyframe any more {recent}: there are more than can be kept"
                " (keyframes.max_frames)"
            )
        if recent.change("inputs_rejected") + recent.change("refreshes_failed"):
            warnings["error"] = f"last error {recent}: {self.last_error}"
        fields = [name for name in status.get_fields_and_field_types() if name != "header"]
        values: dict[str, object] = {"active": active}
        values |= {name: getattr(status, name) for name in fields}
        values |= {
            "keyframes dropped": mapped.keyframes_dropped, "places lost": mapped.places_lost,
        }
        values |= {f"received {name}": n for name, n in streams.received.items()}
        values |= {f"missing {name}": n for name, n in streams.misses.items()}
        values |= {"duplicates": streams.duplicates, "jumps back": streams.jumps}
        values |= self._inputs.values | {"color rate (Hz)": f"{color_hz:.1f}"}
        return Health({}, warnings, values | self._latencies.values())

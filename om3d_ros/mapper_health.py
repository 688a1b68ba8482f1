"""What the mapper says of itself on /diagnostics and on the console."""

from __future__ import annotations

import time
from collections.abc import Mapping

from om3d.msg import MapperStatus

from om3d_core.mapping.state import MapperCounts
from om3d_core.streams.assembler import StreamState
from om3d_core.streams.usage import Window
from om3d_ros.first_look import FirstLook
from om3d_ros.node.diagnostics import Health, Latencies
from om3d_ros.node.input_health import InputHealth
from om3d_ros.node.inputs import Input
from om3d_ros.node.settings import MapperNodeSettings

RECENT = ("frames_dropped", "inputs_rejected", "refreshes_failed")


class MapperHealth:
    """Complaints of the last seconds, which end with their cause, and counters from the start.

    inputs: of each camera, by name. What is wrong with the first keyframes is told until the map
    is cleared.
    """

    def __init__(
        self, inputs: Mapping[str, Mapping[str, Input]], settings: MapperNodeSettings,
        latencies: Latencies,
    ):
        self._inputs = {
            camera: InputHealth(of, settings.sync, camera) for camera, of in inputs.items()
        }
        self._latencies = latencies
        self._recent = Window()
        self.last_error = ""
        self.first_look = FirstLook(settings.depth)

    def clear(self) -> None:
        """Forget what was wrong until now."""
        self._recent = Window()
        for inputs in self._inputs.values():
            inputs.clear()
        self.first_look.clear()

    def report(
        self, status: MapperStatus, mapped: MapperCounts, streams: Mapping[str, StreamState],
        color_hz: Mapping[str, float], lacks: str, active: bool,
    ) -> Health:
        """Complaints and values of now; ``lacks`` says which transform is lacking, if one is.

        streams, color_hz: of each camera, by name.
        """
        recent = self._recent
        counts = {name: getattr(status, name) for name in RECENT}
        recent.add(time.monotonic(), counts | {"places_lost": mapped.places_lost})
        warnings: dict[str, str] = {}
        for name, inputs in self._inputs.items() if active else ():
            for kind, said in inputs.complaints(streams[name], lacks).items():
                if said not in warnings.values():
                    warnings[f"{name} {kind}".strip()] = said
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
        warnings |= self.first_look.complaints
        fields = [name for name in status.get_fields_and_field_types() if name != "header"]
        values: dict[str, object] = {"active": active}
        values |= {name: getattr(status, name) for name in fields}
        values |= {
            "keyframes dropped": mapped.keyframes_dropped, "places lost": mapped.places_lost,
        }
        for camera, state in streams.items():
            of_camera: dict[str, object] = {f"received {k}": n for k, n in state.received.items()}
            of_camera |= {f"missing {k}": n for k, n in state.misses.items()}
            of_camera |= {"duplicates": state.duplicates, "jumps back": state.jumps}
            of_camera["color rate (Hz)"] = f"{color_hz[camera]:.1f}"
            if camera in self._inputs:
                of_camera |= self._inputs[camera].values
            values |= {f"{camera} {name}".strip(): value for name, value in of_camera.items()}
        values |= {"first keyframes": self.first_look.told}
        return Health({}, warnings, values | self._latencies.values())

"""RViz configurations for a robot in a namespace: RViz itself substitutes nothing in them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from om3d_core.errors import SettingsError
from om3d_core.presets import DEFAULT_PRESET, read_preset
from om3d_ros.sensor_preset import absolute

MAP_FRAME = "map_frame"


def for_robot(config: str, namespace: str, map_frame: str, renamed: Mapping[str, str]) -> str:
    """The text of a configuration with ``map_frame`` as fixed frame and its topics made absolute.

    renamed: topics that have another name on this robot, by that in ``config``. What has no
    leading slash lies in ``namespace``.
    """
    content = yaml.safe_load(config)
    manager = content["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = map_frame.lstrip("/")
    for display in _displays(manager):
        topic = display.get("Topic")
        if isinstance(topic, dict) and "Value" in topic:
            topic["Value"] = absolute(renamed.get(topic["Value"], topic["Value"]), namespace)
    return yaml.safe_dump(content, sort_keys=False)


def map_frame_of(params_file: Path) -> str:
    """The frame of the map in a file of parameters, or the default where it says nothing of it."""
    for file in (str(params_file), DEFAULT_PRESET):
        with suppress(SettingsError):
            if found := read_preset(file).get(MAP_FRAME):
                return str(found)
    raise SettingsError(f"expected {MAP_FRAME} in the parameters of {DEFAULT_PRESET}")


def _displays(group: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All displays of a group, those in groups within it too."""
    found = []
    for display in group.get("Displays") or []:
        found += [display, *_displays(display)]
    return found

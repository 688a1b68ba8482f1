"""What the ROS driver of a sensor publishes, as the launch file's ``sensor`` names it.

A file of ``config/sensors`` holds ``topics``, by launch argument, and a section of parameters for
the mapper in the layout of :mod:`om3d_core.presets`::

    topics:
      color_topic: camera/color/image_raw
    mapper:
      ros__parameters:
        lens: {images: raw}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from om3d_core.errors import SettingsError
from om3d_core.files import user_path
from om3d_core.presets import SUFFIX, preset_folder, read_sections, settings_of
from om3d_core.settings import Value

TOPICS, NODE = "topics", "mapper"
INPUTS = {
    "color_topic": "color/image_raw",
    "depth_topic": "depth/image_raw",
    "camera_info_topic": "color/camera_info",
    "depth_info_topic": "depth/camera_info",
    "cloud_topic": "cloud_map",
    "odometry_topic": "odometry",
    "pose_topic": "pose",
}
"""The inputs of the mapper with one camera, by the launch argument that remaps each."""


@dataclass(frozen=True)
class SensorPreset:
    """The topics of a driver, by launch argument, and parameters of the mapper by dotted name."""

    topics: Mapping[str, str]
    parameters: Mapping[str, Value]


def sensor_folder() -> Path:
    """Where the presets lie."""
    return preset_folder() / "sensors"


def sensor_names() -> list[str]:
    """The presets that come with om3d."""
    return sorted(path.stem for path in sensor_folder().glob(f"*{SUFFIX}"))


def read_sensor(name: str) -> SensorPreset:
    """A preset by its name, or a file of that layout.

    Raises :class:`SettingsError` for an unknown name, with those that are known, and for a file
    that is no preset.
    """
    path = user_path(name)
    if path.suffix != SUFFIX:
        known = sensor_names()
        if name not in known:
            raise SettingsError(
                f"sensor: expected one of {', '.join(known)} or a {SUFFIX} file, got {name!r}"
            )
        path = sensor_folder() / f"{name}{SUFFIX}"
    sections = dict(read_sections(path))
    topics = _topics(sections.pop(TOPICS, {}), path)
    return SensorPreset(topics, settings_of(sections, path, NODE))


def remaps(preset: SensorPreset, given: Mapping[str, str]) -> dict[str, str]:
    """The topic of each input, by launch argument: as it is given, else as the preset says, else
    the mapper's own name of it. given: topics by launch argument, empty where none is given.
    """
    return {
        argument: given.get(argument) or preset.topics.get(argument) or own
        for argument, own in INPUTS.items()
    }


def absolute(topic: str, namespace: str) -> str:
    """``topic`` with a leading slash, in ``namespace`` if it has none."""
    if topic.startswith("/"):
        return topic
    return "/".join(["", *filter(None, namespace.split("/")), topic])


def _topics(section: object, path: Path, known: Collection[str] = INPUTS) -> dict[str, str]:
    if not isinstance(section, Mapping):
        raise SettingsError(f"{path}: {TOPICS}: expected topics by launch argument")
    for argument, topic in section.items():
        if argument not in known:
            raise SettingsError(
                f"{path}: {TOPICS}: expected some of {', '.join(known)}, got {argument!r:.60}"
            )
        if not isinstance(topic, str) or not topic:
            raise SettingsError(f"{path}: {argument}: expected a topic, got {topic!r:.60}")
    return dict(section)

"""What the ROS driver of a sensor publishes, as the launch file's ``sensor`` names it.

A file of ``config/sensors`` holds ``topics``, by launch argument, and a section of parameters for
the mapper in the layout of :mod:`om3d_core.presets`::

    camera: camera
    topics:
      color_topic: "{camera}/color/image_raw"
    mapper:
      ros__parameters:
        lens: {images: raw}

``{camera}`` stands for the name that the driver gave the camera: that of ``camera``, or each of
several of the launch file's ``cameras``. In what all share, the pose topics, the cloud and the
parameters, it stands for the first of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from om3d_core.errors import SettingsError
from om3d_core.files import user_path
from om3d_core.presets import SUFFIX, preset_folder, read_sections, settings_of
from om3d_core.settings import Value

CAMERA, TOPICS, NODE = "camera", "topics", "mapper"
PLACE = "{camera}"
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
OF_A_CAMERA = ("color_topic", "depth_topic", "camera_info_topic", "depth_info_topic")
"""Those of which each of several cameras has its own."""


class Remap(NamedTuple):
    """The mapper's name of an input, and the topic that it comes on, by launch argument."""

    argument: str
    name: str
    topic: str


@dataclass(frozen=True)
class SensorPreset:
    """The topics of a driver, by launch argument, and parameters of the mapper by dotted name.

    Both may hold ``{camera}``; camera: what it stands for where no cameras are named.
    """

    topics: Mapping[str, str]
    parameters: Mapping[str, Value]
    camera: str = ""

    def parameters_for(self, cameras: Sequence[str]) -> dict[str, Value]:
        """The parameters for cameras of these names, or for the only one if there are none."""
        first = next(iter(cameras), self.camera)
        return {
            name: _filled(value, first) if isinstance(value, str) else value
            for name, value in self.parameters.items()
        }


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
    camera = sections.pop(CAMERA, "")
    if not isinstance(camera, str):
        raise SettingsError(f"{path}: {CAMERA}: expected a name, got {camera!r:.60}")
    return SensorPreset(topics, settings_of(sections, path, NODE), camera)


def remaps(
    preset: SensorPreset, given: Mapping[str, str], cameras: Sequence[str] = ()
) -> list[Remap]:
    """The topic of each input: as it is given, else as the preset says, else the mapper's own name
    of it, for each camera in turn.

    given: topics by launch argument, empty where none is given. cameras: the names of the mapper's
    cameras, empty for one without a name. Raises :class:`SettingsError` where several cameras
    would have one topic.
    """
    found = []
    for argument, own in INPUTS.items():
        topic = given.get(argument) or preset.topics.get(argument)
        if argument not in OF_A_CAMERA or not cameras:
            first = next(iter(cameras), preset.camera)
            found.append(Remap(argument, own, _filled(topic or own, first)))
            continue
        if topic and len(cameras) > 1 and PLACE not in topic:
            raise SettingsError(
                f"{argument}: expected a topic with {PLACE}, for the name of each of"
                f" {', '.join(cameras)}, got {topic!r}"
            )
        for camera in cameras:
            name = f"{camera}/{own}"
            found.append(Remap(argument, name, _filled(topic, camera) if topic else name))
    return found


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


def _filled(text: str, camera: str) -> str:
    """``text`` with the name of a camera; of one without a name, without a namespace for it."""
    if not camera:
        text = text.replace(f"{PLACE}/", "")
    return text.replace(PLACE, camera)

"""What can be set of the nodes themselves; the settings of the map are those of the core."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from om3d_core.errors import SettingsError
from om3d_core.navigation.settings import StandingSettings
from om3d_core.settings import Settings, setting, split_names
from om3d_core.streams.settings import (
    DepthSettings,
    LensSettings,
    MapFrameSettings,
    PoseSettings,
    SyncSettings,
)
from om3d_ros.node import qos

SHORTEST_PERIOD_S = 0.1
RELATIVE_NAME = r"[A-Za-z]\w*(/[A-Za-z]\w*)*"
MAX_CAMERAS = 16
MAX_MAPS = 64
ONE_CAMERA = ("",)
"""The names of cameras where there is but one: its topics have no prefix."""
ONE_MAP = ("",)
"""The names of maps where there is but one: its topics are remapped."""
TRANSPORTS = {
    "raw": {"color": "", "depth": ""},
    "compressed": {"color": "/compressed", "depth": "/compressedDepth"},
}
"""What image_transport puts after the topics of images."""


@dataclass(frozen=True)
class DiagnosticsSettings(Settings):
    """The messages on /diagnostics."""

    period_s: float = setting(1.0, "time between two messages (s)", low=0.1, high=60.0)


@dataclass(frozen=True)
class LifecycleSettings(MapFrameSettings):
    """Start-up, common to both nodes."""

    autostart: bool = setting(False, "configure and activate without a lifecycle manager")
    diagnostics: DiagnosticsSettings = field(default_factory=DiagnosticsSettings)


@dataclass(frozen=True)
class SensorSettings(Settings):
    """The camera topics."""

    reliability: str = setting(
        qos.AS_OFFERED,
        "delivery that all inputs ask for: auto is reliable where every publisher of a topic "
        "offers it, else best effort",
        choices=qos.RELIABILITIES,
    )
    transport: str = setting(
        "raw", "how images come, as image_transport names it; compressed: color on"
        " color/image_raw/compressed (JPEG, PNG), depth on depth/image_raw/compressedDepth"
        " (PNG, RVL)",
        choices=tuple(TRANSPORTS),
    )
    qos_depth: int = setting(
        30, "history of the camera subscriptions (messages)", low=1, high=1000
    )


@dataclass(frozen=True)
class QueueSettings(Settings):
    """The queue before the worker."""

    capacity: int = setting(
        100, "most frames that wait for the worker; the oldest is dropped for a new one",
        low=1, high=10_000,
    )


@dataclass(frozen=True)
class RefreshSettings(Settings):
    """When the map is refreshed without being asked."""

    period_s: float = setting(
        5.0, f"time between two refreshes (s, node clock), at least {SHORTEST_PERIOD_S:g};"
        " 0 refreshes on demand only",
        low=0.0, high=86_400.0,
    )
    on_cloud: bool = setting(True, "refresh whenever a cloud arrives")

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0.0 < self.period_s < SHORTEST_PERIOD_S:
            raise SettingsError(f"refresh.period_s: expected 0 or at least {SHORTEST_PERIOD_S:g},"
                                f" got {self.period_s!r}")


@dataclass(frozen=True)
class ServiceSettings(Settings):
    """Requests that wait for the worker."""

    timeout_s: float = setting(
        30.0, "longest wait of load and clear for the worker (s)", low=0.1, high=3600.0
    )


@dataclass(frozen=True)
class MoveitSettings(Settings):
    """The objects of the map as collision objects of MoveIt."""

    enabled: bool = setting(
        False, "publish the box of each object to MoveIt, on planning_scene; needs the package"
        " moveit_msgs"
    )
    labels: str = setting("", "only objects with one of these labels; empty: all", several=True)
    padding_m: float = setting(
        0.01, "by how much each side of a box is moved outwards (m)", low=0.0, high=1.0
    )
    keep_s: float = setting(
        5.0, "how long an object that is no longer in the map stays in the planning scene (s)",
        low=0.0, high=3600.0,
    )


@dataclass(frozen=True)
class MapperNodeSettings(LifecycleSettings):
    """The settings of the mapper node."""

    map_root: str = setting(
        "~/.ros/om3d", "folder below which maps are saved and loaded; ~ is the home folder"
    )
    cameras: str = setting(
        "", "names of several cameras, each with topics below its name, such as"
        " front/color/image_raw; empty: one camera, whose topics are color/image_raw and so on",
        several=True,
    )
    pose: PoseSettings = field(default_factory=PoseSettings)
    sync: SyncSettings = field(default_factory=SyncSettings)
    depth: DepthSettings = field(default_factory=DepthSettings)
    lens: LensSettings = field(default_factory=LensSettings)
    sensor: SensorSettings = field(default_factory=SensorSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    refresh: RefreshSettings = field(default_factory=RefreshSettings)
    services: ServiceSettings = field(default_factory=ServiceSettings)
    moveit: MoveitSettings = field(default_factory=MoveitSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = split_names(self.cameras)
        if len(names) > MAX_CAMERAS:
            raise SettingsError(f"cameras: expected at most {MAX_CAMERAS}, got {len(names)}")
        for name in names:
            if not re.fullmatch(RELATIVE_NAME, name, re.ASCII):
                raise SettingsError(f"cameras: expected names of topics, got {name!r:.200}")

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The name of each camera; empty for the only one."""
        return split_names(self.cameras) or ONE_CAMERA


@dataclass(frozen=True)
class MarkerSettings(Settings):
    """The markers of an answer and of the map's instances."""

    max_instances: int = setting(
        500, "most instances with a box and a name on ~/instance_markers, the largest first; 0"
        " shows none", low=0, high=100_000
    )
    max_points: int = setting(
        5000, "most points drawn of a match, evenly thinned; 0 draws none", low=0, high=1_000_000
    )
    point_size_m: float = setting(0.01, "size of a drawn point (m)", low=0.001, high=1.0)
    line_width_m: float = setting(0.01, "width of the lines of a box (m)", low=0.001, high=1.0)
    text_height_m: float = setting(0.08, "height of a label (m)", low=0.01, high=10.0)


@dataclass(frozen=True)
class AnswerSettings(Settings):
    """The answers to queries."""

    thumbnails: int = setting(
        5, "most view pictures of a match, where a request asks for them", low=0, high=100
    )
    encoder_wait_s: float = setting(
        30.0, "longest wait for an encoder that loads, from when a map asked for it (s); after"
        " that questions are answered BUSY until it is there", low=0.0, high=3600.0,
    )
    max_text_bytes: int = setting(
        4096, "longest text that is accepted (bytes of UTF-8)", low=1, high=1_000_000
    )


@dataclass(frozen=True)
class GoalSettings(StandingSettings):
    """Where the robot is, and how it stands at an instance."""

    robot_frame: str = setting(
        "", "frame of the robot, such as base_link, whose place tf tells where a request does not;"
        " empty: tf is not listened to"
    )


@dataclass(frozen=True)
class QueryNodeSettings(LifecycleSettings):
    """The settings of the query node."""

    maps: str = setting(
        "", "names of the mapper nodes whose maps are searched, such as robot1/mapper, relative to"
        " the node's namespace or absolute; empty: one map, on the topics updates and instances",
        several=True,
    )
    answer: AnswerSettings = field(default_factory=AnswerSettings)
    markers: MarkerSettings = field(default_factory=MarkerSettings)
    goal: GoalSettings = field(default_factory=GoalSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = split_names(self.maps)
        if len(names) > MAX_MAPS:
            raise SettingsError(f"maps: expected at most {MAX_MAPS}, got {len(names)}")
        for name in names:
            if not re.fullmatch(f"/?{RELATIVE_NAME}", name, re.ASCII):
                raise SettingsError(f"maps: expected names of mapper nodes, got {name!r:.200}")

    @property
    def map_names(self) -> tuple[str, ...]:
        """The name of each map; empty for the only one."""
        return split_names(self.maps) or ONE_MAP

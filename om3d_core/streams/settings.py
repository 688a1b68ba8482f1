"""How streams of messages become frames, live or recorded: one name and default for both."""

from __future__ import annotations

from dataclasses import dataclass, field

from om3d_core.data.poses import NS_PER_S
from om3d_core.errors import SettingsError
from om3d_core.settings import Settings, setting

SOURCES = (
    "tf: the frame of the images in map_frame; odometry: nav_msgs/Odometry; pose: "
    "geometry_msgs/PoseStamped"
)
LIVE_SOURCES = ("tf", "odometry", "pose", "pose_with_covariance")
COMPLETED = "tf completes poses of another frame than the camera's, or in another than map_frame"


@dataclass(frozen=True)
class MapFrameSettings(Settings):
    """The frame that everything is in."""

    map_frame: str = setting("map", "frame of the poses, the cloud and all results")

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.map_frame.lstrip("/")
        if not name:
            raise SettingsError(f"map_frame: expected the name of a frame, got {self.map_frame!r}")
        object.__setattr__(self, "map_frame", name)


@dataclass(frozen=True)
class PoseSettings(Settings):
    """Where the camera's pose in the map frame comes from."""

    source: str = setting(
        "tf",
        f"where poses come from. {SOURCES}; pose_with_covariance: the same with covariance."
        f" {COMPLETED}",
        choices=LIVE_SOURCES,
    )
    of_frame: str = setting(
        "", "frame whose pose the pose topic tells; empty: the one that an Odometry names as its"
        " child, else the camera's optical frame",
    )
    max_position_std_m: float = setting(
        0.0, "largest standard deviation of a position that is mapped by, for poses with"
        " covariance (m); 0: any", low=0.0, high=1000.0,
    )
    max_rotation_std_rad: float = setting(
        0.0, "the same of a rotation (rad); 0: any", low=0.0, high=10.0
    )
    max_speed_m_s: float = setting(
        0.0, "fastest motion of the camera from one image to the next that is mapped (m/s): no"
        " pose that jumps and no blurred image is used; 0: any", low=0.0, high=1000.0,
    )
    max_turn_rad_s: float = setting(
        0.0, "the same of a rotation (rad/s); 0: any", low=0.0, high=1000.0
    )
    odom_frame: str = setting(
        "odom", "frame that the robot moves in without jumps (REP 105); where it jumps in"
        " map_frame, what was mapped moves with it",
    )
    jump_m: float = setting(
        0.3, "least shift from one transform map_frame -> pose.odom_frame to the next that is such"
        " a jump (m); 0: none is", low=0.0, high=1000.0,
    )
    jump_rad: float = setting(0.15, "the same of a rotation (rad); 0: none is", low=0.0, high=4.0)
    max_gap_s: float = setting(
        1.0, "longest time between two poses that is interpolated (s)", low=0.0, high=60.0
    )

    @property
    def max_gap_ns(self) -> int:
        """``max_gap_s`` in nanoseconds."""
        return round(self.max_gap_s * NS_PER_S)


@dataclass(frozen=True)
class RecordedPoseSettings(PoseSettings):
    """What a recording offers beyond a live stream: all its transforms are known, and it ends."""

    source: str = setting(
        "auto",
        f"where poses come from. {SOURCES}, of the camera's optical frame or of one that tf"
        " connects with it; auto: tf where it connects map and camera, else the pose topic",
        choices=("auto", *LIVE_SOURCES),
    )
    tolerance_s: float = setting(
        0.05, "how far beyond the first and the last pose these still hold (s)",
        low=0.0, high=10.0,
    )

    @property
    def tolerance_ns(self) -> int:
        """``tolerance_s`` in nanoseconds."""
        return round(self.tolerance_s * NS_PER_S)


@dataclass(frozen=True)
class SyncSettings(Settings):
    """Pairing of color, depth and camera_info."""

    slop_s: float = setting(
        0.02, "largest difference of stamps within a frame (s); the nearest are paired",
        low=0.0, high=1.0,
    )
    wait_s: float = setting(
        1.0, "time by stamps that an image waits for partners and pose (s), at least twice the "
        "slop", low=0.05, high=10.0,
    )
    capacity: int = setting(
        128, "most images a topic that wait for partners or pose", low=2, high=1000
    )

    @property
    def slop_ns(self) -> int:
        """``slop_s`` in nanoseconds."""
        return round(self.slop_s * NS_PER_S)

    @property
    def wait_ns(self) -> int:
        """The wait in nanoseconds: ``wait_s``, but at least twice the slop."""
        return max(round(self.wait_s * NS_PER_S), 2 * self.slop_ns)


@dataclass(frozen=True)
class DepthSettings(Settings):
    """What the numbers of a depth image mean, and which camera made it."""

    units_per_m: float = setting(
        1000.0, "units per meter of depth images of integers (REP 118: 1000, millimeters)",
        low=1e-3, high=1e6,
    )
    float_units_per_m: float = setting(
        1.0, "the same of floating point depth images (REP 118: 1, meters)", low=1e-3, high=1e6
    )
    camera: str = setting(
        "auto", "color: depth is registered to color; own: it has a camera_info of its own and tf"
        " tells where its camera is, so that it is registered here; auto: own where frame_id"
        " differs from color's",
        choices=("auto", "color", "own"),
    )

    def has_own_camera(self, depth_frame: str, color_frame: str) -> bool:
        """Whether a depth image of one frame_id is to be registered to color of another."""
        named = depth_frame.lstrip("/"), color_frame.lstrip("/")
        return self.camera == "own" or (self.camera == "auto" and all(named) and
                                        named[0] != named[1])


@dataclass(frozen=True)
class LensSettings(Settings):
    """The distortion of the camera's lens."""

    images: str = setting(
        "auto", "raw images are rectified by the distortion of their camera_info; auto: raw unless"
        " the name of the color topic holds rect; of a folder as its layout says",
        choices=("auto", "raw", "rectified"),
    )

    def are_rectified(self, color_topic: str) -> bool:
        """Whether the images are free of distortion as they come."""
        return self.images == "rectified" or (self.images == "auto" and "rect" in color_topic)


@dataclass(frozen=True)
class RecordedStreamSettings(MapFrameSettings):
    """The settings that a recording shares with the live node, by the same dotted names."""

    pose: RecordedPoseSettings = field(default_factory=RecordedPoseSettings)
    sync: SyncSettings = field(default_factory=SyncSettings)
    depth: DepthSettings = field(default_factory=DepthSettings)
    lens: LensSettings = field(default_factory=LensSettings)

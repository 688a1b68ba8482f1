"""Starts the mapper and the query node, or the query node alone, and RViz if asked."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace, SetParameter
from launch_ros.substitutions import FindPackageShare

from om3d_ros import rviz_config, sensor_preset
from om3d_ros.node.settings import MapperNodeSettings
from om3d_ros.sensor_preset import Remap

SHARE = FindPackageShare("om3d")
ARGUMENTS = {
    "namespace": ("", "namespace of both nodes"),
    "mapper": ("true", "false: start the query node alone"),
    "maps": (
        "",
        "mapper nodes whose maps the query node searches, separated by commas, relative to its"
        " namespace or absolute: robot1/mapper,robot2/mapper; empty: that of `mapper`",
    ),
    "sensor": (
        "generic",
        "topics and parameters that fit a driver: realsense, zed, orbbec, azure_kinect or generic,"
        " of config/sensors, or a .yaml file in that layout; a params_file of your own and the"
        " arguments below win over it",
    ),
    "cameras": (
        "",
        "names of several cameras, separated by commas: in the topics of the sensor and in those"
        " below {camera} stands for each; a generic sensor has NAME/color/image_raw and so on",
    ),
    "use_sim_time": ("false", "take the time from /clock"),
    "params_file": (
        PathJoinSubstitution([SHARE, "config", "default.yaml"]),
        "file of all parameters; in it the keys `mapper` and `query` hold in every namespace",
    ),
    "autostart": ("true", "configure and activate the nodes without a lifecycle manager"),
    "use_respawn": ("false", "start a node again two seconds after it ended"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "grid_topic": (
        "map", "grid for goal_near, nav_msgs/OccupancyGrid; or /global_costmap/costmap",
    ),
    "rviz": ("false", "start RViz with config/om3d.rviz, if it is installed"),
    "rviz_config": (
        PathJoinSubstitution([SHARE, "config", "om3d.rviz"]),
        "RViz configuration; the default one follows namespace, topics and map_frame",
    ),
}
# Where one of these is empty, the parameters file decides.
OVERRIDES = {
    "map_frame": ("", "frame of the poses, the cloud and all results"),
    "pose_source": ("", "tf, odometry, pose or pose_with_covariance: where poses come from"),
    "image_transport": ("", "raw or compressed: how images come (JPEG, PNG, compressedDepth)"),
    "input_reliability": ("", "best_effort or reliable: quality of service of images and poses"),
    "input_durability": ("", "volatile or transient_local: the same"),
    "input_depth": ("", "history of images and poses (messages)"),
}
INPUTS = {
    "color_topic": "color images, sensor_msgs/Image",
    "depth_topic": "depth images, sensor_msgs/Image",
    "camera_info_topic": "calibration, sensor_msgs/CameraInfo",
    "depth_info_topic": "that of depth with a frame_id of its own, sensor_msgs/CameraInfo",
    "cloud_topic": "optional reconstruction, latched sensor_msgs/PointCloud2",
    "odometry_topic": "camera poses if pose.source is odometry",
    "pose_topic": "camera poses if pose.source is pose or pose_with_covariance",
}
LATCHED = "cloud_topic"
ENDINGS = {"color_topic": "/compressed", "depth_topic": "/compressedDepth"}
# Robots in namespaces have transforms of their own.
TRANSFORMS = (("/tf", "tf"), ("/tf_static", "tf_static"))
RESPAWN_DELAY_S = 2.0


def generate_launch_description() -> LaunchDescription:
    """The arguments above, and the nodes in their namespace."""
    inputs = {
        name: ("", f"{what}; empty: as the sensor has it, else {sensor_preset.INPUTS[name]}")
        for name, what in INPUTS.items()
    }
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in {**ARGUMENTS, **OVERRIDES, **inputs}.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[GroupAction | LogInfo]:
    given = {
        name: LaunchConfiguration(name).perform(context)
        for name in (*ARGUMENTS, *OVERRIDES, *INPUTS)
    }
    sensor = sensor_preset.read_sensor(given["sensor"])
    cameras = _camera_names(given["cameras"])
    remaps = sensor_preset.remaps(sensor, given, cameras)
    parameters = sensor.parameters_for(cameras)
    common = {
        "package": "om3d",
        "output": "screen",
        "ros_arguments": ["--log-level", given["log_level"]],
        "respawn": _is_true(given["use_respawn"]),
        "respawn_delay": RESPAWN_DELAY_S,
    }
    shared: dict[str, object] = {"autostart": _is_true(given["autostart"])}
    if given["map_frame"]:
        shared["map_frame"] = given["map_frame"]
    transport = given["image_transport"] or parameters.get("sensor.transport")
    endings = ENDINGS if transport == "compressed" else {}
    heard = [
        remap._replace(topic=sensor_preset.absolute(remap.topic, given["namespace"])
                       + endings.get(remap.argument, ""))
        for remap in remaps
    ]
    own = _input_qos(given, heard)
    if cameras:
        own["cameras"] = list(cameras)
    if given["pose_source"]:
        own["pose.source"] = given["pose_source"]
    if given["image_transport"]:
        own["sensor.transport"] = given["image_transport"]
    asked = {"maps": given["maps"]} if given["maps"] else {}
    file = _for_any_namespace(given["params_file"])
    fitting = {"/**/mapper": {"ros__parameters": parameters}}
    preset = _copied(yaml.safe_dump(fitting))
    files = [file, preset] if _is_shipped("params_file", context) else [preset, file]
    nodes = [Node(
        executable="query_node",
        name="query",
        parameters=[file, {**shared, **asked}],
        remappings=[
            *TRANSFORMS,
            ("map", given["grid_topic"]),
            ("instances", "mapper/instances"),
            ("updates", "mapper/updates"),
        ],
        **common,
    )]
    if _is_true(given["mapper"]):
        nodes.insert(0, Node(
            executable="mapper_node",
            name="mapper",
            parameters=[*files, {**shared, **own}],
            remappings=[
                *TRANSFORMS,
                *((remap.name, remap.topic) for remap in remaps),
            ],
            **common,
        ))
    actions = [
        PushRosNamespace(given["namespace"]),
        SetParameter("use_sim_time", _is_true(given["use_sim_time"])),
        *nodes,
    ]
    return [GroupAction(actions), *_rviz(given, heard, context)]


def _rviz(
    given: dict[str, str], heard: list[Remap], context: LaunchContext
) -> list[Node | LogInfo]:
    """RViz, with the first camera, or word of it where it is missing: the nodes go on without."""
    if not _is_true(given["rviz"]):
        return []
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return [LogInfo(msg="rviz:=true, but the package rviz2 is not installed: no RViz")]
    file = given["rviz_config"]
    if _is_shipped("rviz_config", context):
        frame = given["map_frame"] or rviz_config.map_frame_of(Path(given["params_file"]))
        renamed = {
            sensor_preset.INPUTS[remap.argument]: remap.topic for remap in reversed(heard)
        }
        text = Path(file).read_text(encoding="utf-8")
        file = _copied(rviz_config.for_robot(text, given["namespace"], frame, renamed), ".rviz")
    simulated = {"use_sim_time": _is_true(given["use_sim_time"])}
    return [Node(
        package="rviz2", executable="rviz2", namespace=given["namespace"],
        arguments=["-d", file], parameters=[simulated], remappings=[*TRANSFORMS],
    )]


def _camera_names(text: str) -> tuple[str, ...]:
    """The names of several cameras, as the mapper would take them; none for the one without."""
    return tuple(filter(None, MapperNodeSettings(cameras=text).camera_names))


def _is_shipped(name: str, context: LaunchContext) -> bool:
    """Whether a file is the one that comes with the package."""
    default = ARGUMENTS[name][0].perform(context)
    return LaunchConfiguration(name).perform(context) == default


def _input_qos(given: dict[str, str], heard: list[Remap]) -> dict[str, object]:
    """Parameters for what is asked of images and poses, by their topics as they are resolved."""
    asked: dict[str, object] = {
        policy: given[f"input_{policy}"]
        for policy in ("reliability", "durability")
        if given[f"input_{policy}"]
    }
    if given["input_depth"]:
        asked["depth"] = int(given["input_depth"])
    return {
        f"qos_overrides.{remap.topic}.subscription.{policy}": value
        for remap in heard if remap.argument != LATCHED
        for policy, value in asked.items()
    }


def _for_any_namespace(params_file: str) -> str:
    """A copy of the file whose bare node names match in every namespace, for rcl.

    `ros2 param load` knows bare names, which rcl takes for nodes outside of any namespace.
    """
    text = Path(params_file).read_text(encoding="utf-8")
    return _copied(re.sub(r"^(mapper|query)(?=\s*:)", r"/**/\1", text, flags=re.MULTILINE))


def _copied(text: str, suffix: str = ".yaml") -> str:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="om3d_", suffix=suffix, delete=False
    ) as copy:
        copy.write(text)
    return copy.name


def _is_true(text: str) -> bool:
    if text.lower() in {"true", "1"}:
        return True
    if text.lower() in {"false", "0"}:
        return False
    raise ValueError(f"expected true or false, got {text!r}")

"""Starts the mapper and the query node, and RViz if asked."""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace, SetParameter
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("om3d")
ARGUMENTS = {
    "namespace": ("", "namespace of both nodes"),
    "use_sim_time": ("false", "take the time from /clock"),
    "params_file": (
        PathJoinSubstitution([SHARE, "config", "default.yaml"]), "file of all parameters"
    ),
    "autostart": ("true", "configure and activate the nodes without a lifecycle manager"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "rviz": ("false", "start RViz with config/om3d.rviz"),
    "rviz_config": (PathJoinSubstitution([SHARE, "config", "om3d.rviz"]), "RViz configuration"),
}
INPUTS = {
    "color_topic": ("color/image_raw", "color images, sensor_msgs/Image"),
    "depth_topic": ("depth/image_raw", "registered depth images, sensor_msgs/Image"),
    "camera_info_topic": ("color/camera_info", "calibration, sensor_msgs/CameraInfo"),
    "cloud_topic": ("cloud_map", "optional reconstruction, latched sensor_msgs/PointCloud2"),
    "odometry_topic": ("odometry", "camera poses if pose.source is odometry"),
    "pose_topic": ("pose", "camera poses if pose.source is pose"),
}


def generate_launch_description() -> LaunchDescription:
    """The arguments above, and the nodes in their namespace."""
    argument = LaunchConfiguration
    common = {
        "package": "om3d",
        "output": "screen",
        "parameters": [
            argument("params_file"),
            {"autostart": ParameterValue(argument("autostart"), value_type=bool)},
        ],
        "arguments": ["--ros-args", "--log-level", argument("log_level")],
    }
    nodes = GroupAction([
        PushRosNamespace(argument("namespace")),
        SetParameter("use_sim_time", ParameterValue(argument("use_sim_time"), value_type=bool)),
        Node(
            executable="mapper_node",
            name="mapper",
            remappings=[(name, argument(topic)) for topic, (name, _) in INPUTS.items()],
            **common,
        ),
        Node(
            executable="query_node",
            name="query",
            remappings=[
                ("instances", "mapper/instances"),
                ("instance_cloud", "mapper/instance_cloud"),
            ],
            **common,
        ),
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", argument("rviz_config")],
            condition=IfCondition(argument("rviz")),
        ),
    ])
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in {**ARGUMENTS, **INPUTS}.items()
    ]
    return LaunchDescription([*declared, nodes])

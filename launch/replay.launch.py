"""Plays a bag with its clock into the mapper and the query node."""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    RegisterEventHandler,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("om3d")
ARGUMENTS = {
    "rate": ("1.0", "speed of the bag relative to real time"),
    "params_file": (
        PathJoinSubstitution([SHARE, "config", "default.yaml"]), "file of all parameters"
    ),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "rviz": ("true", "start RViz with config/om3d.rviz"),
    "shutdown_at_end": ("false", "end the nodes when the bag ends"),
}


def generate_launch_description() -> LaunchDescription:
    """The nodes on simulated time and the player; the argument ``bag`` is required."""
    argument = LaunchConfiguration
    nodes = IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, "launch", "om3d.launch.py"]),
        launch_arguments={
            "use_sim_time": "true",
            "params_file": argument("params_file"),
            "log_level": argument("log_level"),
            "rviz": argument("rviz"),
        }.items(),
    )
    player = ExecuteProcess(
        cmd=["ros2", "bag", "play", argument("bag"), "--clock", "--rate", argument("rate")],
        output="screen",
    )
    end = RegisterEventHandler(
        OnProcessExit(target_action=player, on_exit=[EmitEvent(event=Shutdown())]),
        condition=IfCondition(argument("shutdown_at_end")),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    bag = DeclareLaunchArgument("bag", description="bag to play")
    return LaunchDescription([bag, *declared, nodes, player, end])

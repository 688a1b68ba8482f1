"""Plays a bag into the mapper and the query node once both are active, then refreshes the map."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import (
    LaunchConfiguration,
    PathJoinSubstitution,
    ThisLaunchFileDir,
)
from launch_ros.substitutions import ExecutableInPackage, FindPackageShare

SHARE = FindPackageShare("om3d")
ARGUMENTS = {
    "rate": ("1.0", "speed of the bag relative to real time; 0: as fast as the mapper takes it"),
    "out": ("replay_out", "folder for what the replay writes"),
    "save": ("", "name under which the map is saved at the end, below map_root"),
    "shutdown_at_end": ("false", "end the nodes after the bag; else they go on with the map"),
}
PASSED_ON = {
    "params_file": (
        PathJoinSubstitution([SHARE, "config", "default.yaml"]), "file of all parameters"
    ),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "rviz": ("true", "start RViz with config/om3d.rviz, if it is installed"),
    "map_frame": ("", "frame of the poses in the bag, if not that of the parameters file"),
    "pose_source": ("", "odometry or pose, if not that of the parameters file"),
}
# The player offers this, so that nothing of a recording is lost (om3d_ros/node/qos.py).
NOTHING_LOST = {
    "input_reliability": "reliable", "input_durability": "transient_local", "input_depth": "60",
}


def generate_launch_description() -> LaunchDescription:
    """The nodes on simulated time and the player; the argument ``bag`` is required."""
    argument = LaunchConfiguration
    nodes = IncludeLaunchDescription(
        PathJoinSubstitution([ThisLaunchFileDir(), "om3d.launch.py"]),
        launch_arguments={
            "use_sim_time": "true",
            **NOTHING_LOST,
            **{name: argument(name) for name in PASSED_ON},
        }.items(),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in {**ARGUMENTS, **PASSED_ON}.items()
    ]
    bag = DeclareLaunchArgument("bag", description="bag to play")
    return LaunchDescription([bag, *declared, nodes, OpaqueFunction(function=_player)])


def _player(context: LaunchContext) -> list[ExecuteProcess | RegisterEventHandler]:
    """`om3d replay` waits for both nodes, plays, refreshes and saves."""
    given = {
        name: LaunchConfiguration(name).perform(context) for name in ("bag", *ARGUMENTS)
    }
    save = ["--save", given["save"]] if given["save"] else []
    player = ExecuteProcess(
        cmd=[
            ExecutableInPackage("om3d", "om3d"), "replay", given["bag"], "--attach",
            "--rate", given["rate"], "--out", given["out"], *save,
        ],
        output="screen",
    )
    ends = given["shutdown_at_end"].lower() in {"true", "1"}

    def at_exit(event: ProcessExited, _: LaunchContext) -> list[EmitEvent | LogInfo] | None:
        if event.action is player:
            if ends:
                return [EmitEvent(event=Shutdown(reason="the bag has been played"))]
            if event.returncode == 0:
                return [LogInfo(msg="played; the nodes go on with the map until Ctrl-C")]
            return [LogInfo(msg="the replay failed; the nodes go on until Ctrl-C")]
        if event.process_name.startswith(("mapper_node", "query_node")):
            return [EmitEvent(event=Shutdown(reason=f"{event.process_name} has ended"))]
        return None

    return [player, RegisterEventHandler(OnProcessExit(on_exit=at_exit))]

"""``python -m helpers.launched FILE NAME:=VALUE ...``: `ros2 launch` where ros2cli is missing.

Ctrl-C is taken as from a program, so that it is passed on to the nodes.
"""

from __future__ import annotations

import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def main(arguments):
    """Launch a file until it ends; returns the exit status."""
    file, *given = arguments
    source = PythonLaunchDescriptionSource(file)
    pairs = [tuple(text.split(":=", 1)) for text in given]
    service = LaunchService(noninteractive=True)
    service.include_launch_description(
        LaunchDescription([IncludeLaunchDescription(source, launch_arguments=pairs)])
    )
    return service.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

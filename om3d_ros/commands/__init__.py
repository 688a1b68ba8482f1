"""Sub-commands of ``om3d`` that need ROS 2."""

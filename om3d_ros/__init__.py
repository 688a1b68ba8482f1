"""ROS 2 nodes around ``om3d_core``: messages, parameters, QoS and threads."""

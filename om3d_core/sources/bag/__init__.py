"""Bags of ROS 2: read as scenes, and written."""

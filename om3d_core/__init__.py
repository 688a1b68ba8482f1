"""om3d: open-vocabulary 3D instance mapping for robots, free of ROS."""

__version__ = "0.1.0"

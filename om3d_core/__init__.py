"""Open-vocabulary 3D instance mapping: posed RGB-D in, a map of objects that answers questions out.

The library imports no ROS package; the nodes around it live in ``om3d_ros``.
"""

__version__ = "0.1.0"

"""Camera poses of a bag: from tf, from odometry, or from PoseStamped."""

from __future__ import annotations

from functools import partial
from typing import Any

from om3d_core.data.poses import NS_PER_S, Transform, transform_from
from om3d_core.errors import InputError, MountError, SourceError
from om3d_core.streams.pose_lookup import NotYet
from om3d_core.streams.trajectory import RecordedMotion
from om3d_core.streams.transform_tree import TransformTree


def stamp_of(header: Any) -> int:
    """The stamp of a std_msgs/Header in nanoseconds."""
    return int(header.stamp.sec) * NS_PER_S + int(header.stamp.nanosec)


class PoseRecorder:
    """Collects pose messages of one bag, then tells where the camera was.

    Messages with a transform that is none (NaN, no unit quaternion) are dropped.
    """

    def __init__(self, map_frame: str, tolerance_ns: int, gap_ns: int) -> None:
        self.tree = TransformTree(partial(RecordedMotion, tolerance_ns, gap_ns))
        self.frame = map_frame.lstrip("/")
        """The frame that poses are in: the map frame, or the frame that odometry names."""
        self._motion = RecordedMotion(tolerance_ns, gap_ns)
        self._named: tuple[str, str] | None = None

    def add_tf(self, message: Any, fixed: bool) -> None:
        """Take in a tf2_msgs/TFMessage; ``fixed`` for /tf_static."""
        for item in message.transforms:
            move, turn = item.transform.translation, item.transform.rotation
            try:
                transform = transform_from(
                    (move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w)
                )
                self.tree.add(
                    item.header.frame_id,
                    item.child_frame_id,
                    stamp_of(item.header),
                    transform,
                    fixed,
                )
            except InputError:
                continue

    def add_pose(self, header: Any, child: str, pose: Any) -> None:
        """Take in the pose of an Odometry (of its child frame) or of a PoseStamped."""
        named = (header.frame_id.lstrip("/"), child.lstrip("/"))
        move, turn = pose.position, pose.orientation
        try:
            transform = transform_from((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
        except InputError:
            return
        if self._named is None:
            self._named = named
        if named == self._named:
            self._motion.add(stamp_of(header), transform)

    def lookup(self, source: str, camera_frame: str) -> CameraPoses:
        """The poses of a camera. ``source``: auto, tf, odometry or pose.

        ``auto`` takes tf where it connects the map with the camera, else the pose topic. Raises
        SourceError where there are none.
        """
        camera_frame = camera_frame.lstrip("/")
        by_tf = self.tree.connected(self.frame, camera_frame) and bool(self.tree.frames)
        if source == "tf" or (source == "auto" and by_tf):
            if not by_tf:
                raise SourceError(
                    f"tf does not connect map_frame {self.frame!r} with the camera frame "
                    f"{camera_frame!r}; its frames are {', '.join(self.tree.frames) or 'none'}; "
                    "set --map_frame or --pose.source"
                )
            return CameraPoses(self.tree, self.frame, camera_frame, None)
        if self._named is None:
            raise SourceError(
                "no poses: no usable Odometry, PoseStamped or PoseWithCovarianceStamped, and tf"
                f" does not connect map_frame {self.frame!r} with {camera_frame!r} (its frames"
                f" are {', '.join(self.tree.frames) or 'none'}); set --map_frame"
            )
        self.frame, child = self._named
        if child in {"", camera_frame} or not camera_frame:
            return CameraPoses(self.tree, "", camera_frame, self._motion)
        if not self.tree.connected(child, camera_frame):
            raise MountError(
                f"the poses are of {child!r}, the images of {camera_frame!r}: expected tf that"
                f" connects the two, got frames {', '.join(self.tree.frames) or 'none'}; set"
                f" --pose.of_frame to {camera_frame!r} if they are the camera's"
            )
        return CameraPoses(self.tree, child, camera_frame, self._motion)


class CameraPoses:
    """``map_from_camera`` at any time: the :class:`~om3d_core.streams.pose_lookup.PoseLookup` of
    a recording, which knows all that will come.

    With a motion the poses are those of frame ``base`` (empty: of the camera itself), on which tf
    says how the camera is mounted; without one all comes from tf.
    """

    def __init__(
        self, tree: TransformTree, base: str, camera: str, motion: RecordedMotion | None
    ) -> None:
        self._tree, self._base, self._camera = tree, base, camera
        self._motion = motion

    def at(self, stamp_ns: int, settled: bool = True) -> Transform | NotYet | None:
        """The (4, 4) pose at a time, or None where it is not known; all is settled."""
        if self._motion is None:
            return self._tree.lookup(self._base, self._camera, stamp_ns)
        pose = self._motion.at(stamp_ns)
        if pose is None or not self._base:
            return pose
        mount = self._tree.lookup(self._base, self._camera, stamp_ns)
        return mount if mount is None or isinstance(mount, NotYet) else pose @ mount

    def clear(self, now_ns: int | None = None) -> None:
        """Nothing is forgotten."""

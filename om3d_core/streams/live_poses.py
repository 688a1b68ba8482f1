"""The poses of a camera as they come: from tf alone, or from a pose topic that tf completes."""

from __future__ import annotations

from om3d_core.data.poses import Transform
from om3d_core.errors import InputError, expect
from om3d_core.streams.live_transforms import LiveTransforms
from om3d_core.streams.pose_buffer import PoseBuffer
from om3d_core.streams.pose_lookup import NOT_YET, NotYet

RENAMED = 10
"""So many images of another frame, and none of the former, are those of a camera renamed."""


class LivePoses:
    """A :class:`~om3d_core.streams.pose_lookup.PoseLookup` of the last ``keep_ns``.

    by_tf: ``transforms`` alone tell the poses; else :meth:`add_pose` does, and they tell the
    mount of the camera and the place of the poses' frame in the map, where these differ. gap_ns:
    the longest time between two messages that is interpolated. What lies beyond the last message
    is awaited, never guessed. Frames are named without a leading slash.
    """

    def __init__(self, transforms: LiveTransforms, by_tf: bool, gap_ns: int, keep_ns: int):
        self._map_frame, self._by_tf = transforms.map_frame, by_tf
        self._transforms, self._tree = transforms, transforms.tree
        self._poses = PoseBuffer(gap_ns, keep_ns)
        self._camera_frame, self._others = "", 0
        self._named: tuple[str, str] | None = None

    @property
    def lacks(self) -> str:
        """Which transform the poses cannot be told without, for people; empty if none."""
        if not self._camera_frame and (self._by_tf or self._named is None):
            return ""
        missing = self._missing()
        if missing is None:
            return ""
        known = ", ".join(self._tree.frames) or "none"
        return "tf does not connect {!r} with {!r}; its frames are {}".format(*missing, known)

    def see(self, camera_frame: str) -> None:
        """Learn the frame of the images, which is that of the first.

        Raises :class:`InputError` for images of another frame, unless :data:`RENAMED` came one
        after the other, and for those without one if tf tells the poses.
        """
        name = camera_frame.lstrip("/")
        expect(bool(name) or not self._by_tf, "images with a header.frame_id, for tf", "none")
        self._others = 0 if name == self._camera_frame else self._others + 1
        if not self._camera_frame or self._others >= RENAMED:
            self._camera_frame, self._others = name, 0
        expect(name == self._camera_frame, f"images of the frame {self._camera_frame!r}", name)

    def add_pose(self, frame: str, child: str, stamp_ns: int, pose: Transform) -> None:
        """Take the pose of ``child`` (empty: of the camera) in ``frame`` from the pose topic.

        Raises :class:`InputError` for poses of other frames than before, and for those that
        nothing connects with the map or the camera.
        """
        named = frame.lstrip("/"), child.lstrip("/")
        before, self._named = self._named, named
        if missing := self.lacks:
            self._named = before
            raise InputError(
                f"expected poses of the camera {self._camera_frame!r} in {self._map_frame!r}, got"
                f" those of {named[1]!r} in {named[0]!r}: {missing}"
            )
        if before not in (None, named):
            self._named = before
            raise InputError(f"expected poses of {before[1]!r} in {before[0]!r}, got {named}")
        self._poses.add(stamp_ns, pose)

    def at(self, stamp_ns: int, settled: bool = False) -> Transform | NotYet | None:
        """The (4, 4) map_from_camera at a time."""
        if (self._by_tf and not self._camera_frame) or self._missing() is not None:
            return NOT_YET
        steps = [
            self._tree.lookup(target, source, stamp_ns, settled)
            for target, source in self._links()
        ]
        if not self._by_tf:
            steps.insert(1, self._poses.at(stamp_ns, settled))
        pose: Transform | None = None
        for step in steps:
            if step is None or isinstance(step, NotYet):
                return step
            pose = step if pose is None else pose @ step
        return pose

    def clear(self, now_ns: int | None = None) -> None:
        """Forget what moves; what is fixed, and the names, stay."""
        self._transforms.forget_motion(now_ns)
        self._poses.clear()

    def camera_from(self, frame: str, stamp_ns: int) -> Transform | None:
        """Where another frame is in the camera's (4, 4), None where tf does not tell."""
        if not self._tree.connected(self._camera_frame, frame):
            return None
        found = self._tree.lookup(self._camera_frame, frame, stamp_ns, settled=True)
        return None if isinstance(found, NotYet) else found

    def _missing(self) -> tuple[str, str] | None:
        """The first of the links that tf does not make."""
        return next((link for link in self._links() if not self._tree.connected(*link)), None)

    def _links(self) -> list[tuple[str, str]]:
        """The pairs of frames that tf has to connect, from the map to the camera."""
        if self._by_tf:
            return [(self._map_frame, self._camera_frame)]
        frame, child = self._named or (self._map_frame, "")
        camera = self._camera_frame
        return [(self._map_frame, frame), (child or camera, camera or child)]

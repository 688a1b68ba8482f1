"""Named coordinate frames that move with respect to each other, as tf knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from om3d_core.data.poses import Transform, inverse
from om3d_core.errors import InputError, expect
from om3d_core.streams.pose_lookup import NOT_YET, NotYet

MAX_FRAMES = 5000


class Motion(Protocol):
    """Where one frame is in its parent, at stamped transforms: a pose buffer or a recording."""

    def add(self, stamp_ns: int, pose: Transform) -> None:
        """Take a transform (4, 4)."""

    def at(self, stamp_ns: int, settled: bool = False) -> Transform | NotYet | None:
        """The transform at a time, as a :class:`~om3d_core.streams.pose_lookup.PoseLookup`."""


class TransformTree:
    """Named coordinate frames, each held by its parent at fixed or at stamped transforms.

    Frames are named without a leading slash. A fixed transform beats stamped ones. motion: makes
    what holds the stamped transforms of one frame.
    """

    def __init__(self, motion: Callable[[], Motion]):
        self._motion = motion
        self._parents: dict[str, str] = {}
        self._fixed: dict[str, Transform] = {}
        self._moving: dict[str, Motion] = {}

    def add(
        self, parent: str, child: str, stamp_ns: int, parent_from_child: Transform, fixed: bool
    ) -> None:
        """Record where ``child`` is in ``parent``. A new parent replaces the former one.

        Raises :class:`InputError` for what names no two frames, and for too many frames.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        expect(bool(parent and child) and parent != child, "two frame names", (parent, child))
        if self._parents.get(child) != parent:
            known = child in self._parents or len(self._parents) < MAX_FRAMES
            expect(known, f"at most {MAX_FRAMES} frames", len(self._parents) + 1)
            self._parents[child] = parent
            self._moving.pop(child, None)
            self._fixed.pop(child, None)
        if fixed:
            self._fixed[child] = parent_from_child
        else:
            if child not in self._moving:
                self._moving[child] = self._motion()
            self._moving[child].add(stamp_ns, parent_from_child)

    @property
    def frames(self) -> list[str]:
        """The names of all frames, sorted."""
        return sorted(set(self._parents) | set(self._parents.values()))

    def motion_of(self, frame: str) -> Motion | None:
        """What holds the stamped transforms of a frame, None where there are none."""
        return self._moving.get(frame)

    def connected(self, target: str, source: str) -> bool:
        """Whether a chain of transforms leads from ``source`` to ``target``."""
        return not set(self._ancestors(target)).isdisjoint(self._ancestors(source))

    def lookup(
        self, target: str, source: str, stamp_ns: int, settled: bool = False
    ) -> Transform | NotYet | None:
        """The (4, 4) ``target_from_source`` at a time, as its motions tell it: None where one of
        them will never know, else ``NOT_YET`` where one may come to know.

        Raises InputError if no chain of transforms connects the two.
        """
        targets, sources = self._ancestors(target), self._ancestors(source)
        common = next((name for name in sources if name in targets), None)
        if common is None:
            raise InputError(
                f"expected frames {target!r} and {source!r} to be connected, got frames "
                f"{', '.join(self.frames) or 'none'}"
            )
        down = self._climb(sources[: sources.index(common)], stamp_ns, settled)
        up = self._climb(targets[: targets.index(common)], stamp_ns, settled)
        if down is None or up is None:
            return None
        if isinstance(down, NotYet) or isinstance(up, NotYet):
            return NOT_YET
        return inverse(up) @ down

    def forget_motion(self, keep: Callable[[Motion], bool]) -> None:
        """Forget stamped transforms but those to keep; fixed ones, and who holds whom, stay."""
        self._moving = {child: motion for child, motion in self._moving.items() if keep(motion)}

    def _ancestors(self, name: str) -> list[str]:
        """``name``, its parent, and so on to the root; a cycle ends where it closes."""
        chain = [name.lstrip("/")]
        while (parent := self._parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
        return chain

    def _climb(
        self, chain: list[str], stamp_ns: int, settled: bool
    ) -> Transform | NotYet | None:
        """From the first frame of a chain to the parent of the last."""
        result, waits = np.eye(4), False
        for child in chain:
            step = self._parent_from(child, stamp_ns, settled)
            if step is None:
                return None
            if isinstance(step, NotYet):
                waits = True
            else:
                result = step @ result
        return NOT_YET if waits else result

    def _parent_from(
        self, child: str, stamp_ns: int, settled: bool
    ) -> Transform | NotYet | None:
        if child in self._fixed:
            return self._fixed[child]
        motion = self._moving.get(child)
        return NOT_YET if motion is None else motion.at(stamp_ns, settled)

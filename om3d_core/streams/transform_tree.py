"""Named coordinate frames that move with respect to each other, as tf knows them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from om3d_core.data.poses import NS_PER_S, Transform, inverse
from om3d_core.errors import InputError, expect
from om3d_core.streams.trajectory import Trajectory


@dataclass(eq=False)
class TransformTree:
    """Named coordinate frames, each held by its parent at fixed or at stamped transforms.

    Frames are named without a leading slash. A fixed transform beats stamped ones.
    """

    tolerance_ns: int = 0
    gap_ns: int = NS_PER_S
    _parents: dict[str, str] = field(default_factory=dict)
    _fixed: dict[str, Transform] = field(default_factory=dict)
    _stamped: dict[str, list[tuple[int, Transform]]] = field(default_factory=dict)
    _trajectories: dict[str, Trajectory] = field(default_factory=dict)

    def add(
        self, parent: str, child: str, stamp_ns: int, parent_from_child: Transform, fixed: bool
    ) -> None:
        """Record where ``child`` is in ``parent``. A new parent replaces the former one."""
        parent, child = parent.lstrip("/"), child.lstrip("/")
        expect(bool(parent and child) and parent != child, "two frame names", (parent, child))
        if self._parents.get(child) != parent:
            self._parents[child] = parent
            self._stamped.pop(child, None)
            self._fixed.pop(child, None)
        if fixed:
            self._fixed[child] = parent_from_child
        else:
            self._stamped.setdefault(child, []).append((stamp_ns, parent_from_child))
            self._trajectories.pop(child, None)

    @property
    def frames(self) -> list[str]:
        """The names of all frames, sorted."""
        return sorted(set(self._parents) | set(self._parents.values()))

    def connected(self, target: str, source: str) -> bool:
        """Whether a chain of transforms leads from ``source`` to ``target``."""
        return not set(self._ancestors(target)).isdisjoint(self._ancestors(source))

    def lookup(self, target: str, source: str, stamp_ns: int) -> Transform | None:
        """The (4, 4) ``target_from_source`` at a time, or None where it is not known.

        Raises InputError if no chain of transforms connects the two.
        """
        if not self.connected(target, source):
            raise InputError(
                f"expected frames {target!r} and {source!r} to be connected, got frames "
                f"{', '.join(self.frames) or 'none'}"
            )
        targets, sources = self._ancestors(target), self._ancestors(source)
        common = next(name for name in sources if name in targets)
        common_from_source = self._climb(sources[: sources.index(common)], stamp_ns)
        common_from_target = self._climb(targets[: targets.index(common)], stamp_ns)
        if common_from_source is None or common_from_target is None:
            return None
        return inverse(common_from_target) @ common_from_source

    def _ancestors(self, name: str) -> list[str]:
        """``name``, its parent, and so on to the root; a cycle ends where it closes."""
        chain = [name.lstrip("/")]
        while (parent := self._parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
        return chain

    def _climb(self, chain: list[str], stamp_ns: int) -> Transform | None:
        result = np.eye(4)
        for child in chain:
            step = self._parent_from(child, stamp_ns)
            if step is None:
                return None
            result = step @ result
        return result

    def _parent_from(self, child: str, stamp_ns: int) -> Transform | None:
        if child in self._fixed:
            return self._fixed[child]
        if child not in self._trajectories:
            stamps, poses = zip(*self._stamped[child], strict=True)
            self._trajectories[child] = Trajectory(stamps, poses, self.tolerance_ns, self.gap_ns)
        return self._trajectories[child].at(stamp_ns)

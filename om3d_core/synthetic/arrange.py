"""Small objects on tables, shelves and the floor: single, touching in a row, or stacked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from om3d_core.synthetic.assets import Catalog, Model, ObjectClass
from om3d_core.synthetic.contact import rest_offset
from om3d_core.synthetic.mesh import MeshPart, bounds, pose, rotated
from om3d_core.synthetic.scene import Instance, Room, Surface, moved, overlap

_GAP_M = 0.015
_TOUCH_M = 0.001
_TRIES = 40
_TABLE_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class _Member:
    """One object of a group; carrier is the index of the member that it stands on, or -1."""

    class_name: str
    parts: tuple[MeshPart, ...]
    carrier: int = -1


@dataclass(frozen=True, eq=False)
class _Group:
    """Objects that keep their places to each other, in a frame whose z = 0 is the support."""

    members: tuple[_Member, ...]
    on: tuple[str, ...]

    @cached_property
    def hull(self) -> NDArray[np.float32]:
        """The corners (N, 3) of the group's convex hull."""
        from scipy.spatial import ConvexHull

        points = np.concatenate([part.vertices for member in self.members
                                 for part in member.parts])
        return np.asarray(points[ConvexHull(points).vertices], np.float32)


def choose_models(catalog: Catalog, count: int, rng: np.random.Generator) -> list[Model]:
    """``count`` models of at least min(count, 10) classes, some classes several times."""
    def pick(group: str, share: float) -> list[ObjectClass]:
        entries = catalog.group(group)
        return [entries[int(i)] for i in
                rng.permutation(len(entries))[:max(1, round(share * count))]]

    classes = pick("kitchenware", 0.35) + pick("grocery", 0.25) + pick("household", 0.15)
    if rng.random() < 0.7:
        classes += catalog.group("appliance")
    classes = classes[:count]
    several = [entry for entry in classes if "counter" not in entry.on]
    while len(classes) < count:
        classes.append(several[int(rng.integers(min(len(several), 4)))] if rng.random() < 0.7
                       else several[int(rng.integers(len(several)))])
    return [catalog.model(entry.name, entry.models[int(rng.integers(len(entry.models)))],
                          entry.up[int(rng.integers(len(entry.up)))] if rng.random() < 0.4
                          else entry.up[0]) for entry in classes]


def arrange(catalog: Catalog, room: Room, models: list[Model],
            rng: np.random.Generator) -> list[Instance]:
    """The models as instances on the room's surfaces; what finds no place is left out."""
    placed: list[Instance] = []
    groups = _groups(catalog, models, rng)
    groups.sort(key=lambda group: "counter" not in group.on)
    for group in groups:
        for surface in _candidates(room.surfaces, group.on, rng):
            members = _place(group, surface, room, placed, rng)
            if members is not None:
                first = len(room.instances) + len(placed) + 1
                placed += [
                    Instance(first + i, member.class_name, parts, supported_by=(
                        surface.owner if member.carrier < 0 else first + member.carrier))
                    for i, (member, parts) in enumerate(zip(group.members, members, strict=True))]
                break
    return placed


def _candidates(surfaces: tuple[Surface, ...], kinds: tuple[str, ...],
                rng: np.random.Generator) -> list[Surface]:
    """The surfaces of the wanted kinds in the order to try: often the table, else any of them.

    Anything that may stand on a top may stand on the table and on a counter.
    """
    first = "table" if kinds[0] == "top" and rng.random() < _TABLE_SHARE else kinds[0]
    if "top" in kinds:
        kinds = (*kinds, "table", "counter")
    usable = [surface for surface in surfaces if surface.kind in kinds]
    order = [usable[int(i)] for i in rng.permutation(len(usable))]
    return sorted(order, key=lambda surface: surface.kind != first)


def _groups(catalog: Catalog, models: list[Model], rng: np.random.Generator) -> list[_Group]:
    left = list(models)
    groups: list[_Group] = []

    def take(candidates: list[Model], limit: int) -> list[Model]:
        chosen = candidates[:limit]
        for model in chosen:
            left.remove(model)
        return chosen

    def named(*names: str) -> list[Model]:
        return [m for m in left if m.class_name in names]

    if len(named("book")) > 1:
        groups.append(_stack(_lying(catalog, take(named("book"), 3)), rng))
    if named("plate") and named("bowl"):
        groups.append(_stack(take(named("plate"), 1) + take(named("bowl"), 1), rng))
    boxes = take([m for m in left if catalog.classes[m.class_name].stack == "box"], 2)
    if boxes:
        groups.append(_stack(_lying(catalog, boxes), rng))
    row = take([m for m in left if catalog.classes[m.class_name].group == "grocery"], 3)
    if row:
        groups.append(_row(row, rng))
    groups += [_single(catalog, model) for model in left]
    return [groups[int(i)] for i in rng.permutation(len(groups))]


def _single(catalog: Catalog, model: Model) -> _Group:
    return _Group((_Member(model.class_name, model.parts),), catalog.classes[model.class_name].on)


def _lying(catalog: Catalog, models: list[Model]) -> list[Model]:
    """The models in their flattest pose, the largest first."""
    poses = [[catalog.model(m.class_name, m.asset, up) for up in catalog.classes[m.class_name].up]
             for m in models]
    flat = [min(each, key=lambda model: float(model.extent_m[2])) for each in poses]
    return sorted(flat, key=lambda model: -float(np.prod(model.extent_m[:2])))


def _row(models: list[Model], rng: np.random.Generator) -> _Group:
    members, x = [], 0.0
    for model in models:
        turned = moved(model, pose(0, 0, 0, float(rng.integers(4)) * np.pi / 2))
        low, high = bounds(turned)
        shift = pose(x - float(low[0]), float(rng.uniform(-0.01, 0.01)), 0.0)
        members.append(_Member(model.class_name,
                               tuple(part.transformed(shift) for part in turned)))
        x += float(high[0] - low[0]) + _TOUCH_M
    return _Group(tuple(members), ("top",))


def _stack(models: list[Model], rng: np.random.Generator) -> _Group:
    members = [_Member(models[0].class_name, models[0].parts)]
    for model in models[1:]:
        slack = 0.0 if model.class_name == "bowl" else 0.1 * float(model.extent_m[0])
        x, y = rng.uniform(-slack, slack, 2)
        turned = moved(model, pose(float(x), float(y), 1.0, float(rng.uniform(-0.3, 0.3))))
        offset = rest_offset(turned, members[-1].parts, 1.0)
        lift = pose(0.0, 0.0, offset + 0.0005)
        members.append(_Member(model.class_name, tuple(part.transformed(lift) for part in turned),
                               len(members) - 1))
    return _Group(tuple(members), ("top",))


def _place(group: _Group, surface: Surface, room: Room, placed: list[Instance],
           rng: np.random.Generator) -> list[tuple[MeshPart, ...]] | None:
    things = [i for i in (*room.instances, *placed) if not i.structure]
    taken = [i.box for i in things if i.id != surface.owner]
    owner = next(i for i in (*room.instances, *placed) if i.id == surface.owner)
    for _ in range(_TRIES):
        yaw = float(rng.uniform(0, 2 * np.pi))
        if group.on[0] in ("counter", "floor"):
            yaw = _facing_yaw(surface, room) + float(rng.uniform(-0.15, 0.15))
        turned = rotated(pose(0, 0, 0, yaw)[:3, :3], group.hull)
        low, high = (turned.min(axis=0).astype(np.float64), turned.max(axis=0).astype(np.float64))
        room_low, room_high = surface.low - low[:2], surface.high - high[:2]
        if (room_high < room_low).any() or surface.z + high[2] > surface.ceiling_z - 0.02:
            continue
        x, y = rng.uniform(room_low, room_high)
        at = np.array([x, y, surface.z + 0.002])
        if overlap((low + at, high + at), taken, _GAP_M):
            continue
        return _rested(group, pose(float(x), float(y), surface.z, yaw), owner, surface)
    return None


def _rested(group: _Group, room_from_group: NDArray[np.float64], owner: Instance,
            surface: Surface) -> list[tuple[MeshPart, ...]]:
    members = [tuple(part.transformed(room_from_group) for part in member.parts)
               for member in group.members]
    standing = tuple(part for member, parts in zip(group.members, members, strict=True)
                     if member.carrier < 0 for part in parts)
    offset = rest_offset(standing, owner.parts, surface.ceiling_z - 0.01)
    lift = pose(0.0, 0.0, offset + 0.0005 if np.isfinite(offset) else 0.0)
    return [tuple(part.transformed(lift) for part in parts) for parts in members]


def _facing_yaw(surface: Surface, room: Room) -> float:
    """The yaw that turns -y from the nearest wall into the room."""
    center = (surface.low + surface.high) / 2
    wall = int(np.argmax([center[1] - room.size[1] / 2, center[0] - room.size[0] / 2,
                          -center[1] - room.size[1] / 2, -center[0] - room.size[0] / 2]))
    return -np.pi / 2 * wall

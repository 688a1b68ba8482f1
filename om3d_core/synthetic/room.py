"""The room's shell and its furniture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from om3d_core.synthetic import furniture
from om3d_core.synthetic.assets import Catalog, Model, ObjectClass
from om3d_core.synthetic.mesh import bounds, box, pose
from om3d_core.synthetic.scene import Instance, Room, Surface, moved, overlap

_WALL_GAP_M = 0.03
_THICKNESS_M = 0.1
_PAINTING_CENTER_M = 1.62
_TOP_M = 0.03
_RIM_M = 0.03
_HEADROOM_M = 1.0
_TRIES = 60
_Item = TypeVar("_Item")


def furnish(catalog: Catalog, rng: np.random.Generator) -> Room:
    """A room with a table and chairs in the middle and furniture along its walls."""
    return _Builder(catalog, rng).build()


class _Builder:
    def __init__(self, catalog: Catalog, rng: np.random.Generator):
        self._catalog = catalog
        self._rng = rng
        self._size = np.array([rng.uniform(5.0, 5.6), rng.uniform(4.6, 5.2), 2.6])
        self._instances: list[Instance] = []
        self._surfaces: list[Surface] = []

    def build(self) -> Room:
        self._add_shell()
        table = self._add_table()
        classes = self._catalog.classes
        walls = [int(i) for i in self._rng.permutation(4)]
        self._against_wall(classes["cabinet"], walls[0], "counter")
        self._against_wall(classes["shelf"], walls[1], "shelf")
        extras = [("refrigerator", walls[2], ""), ("coffee table", walls[3], "top"),
                  ("potted plant", walls[2], ""), ("stool", walls[3], "")]
        for index in self._rng.permutation(len(extras))[:int(self._rng.integers(2, 4))]:
            name, wall, surface = extras[int(index)]
            self._against_wall(classes[name], wall, surface)
        if self._rng.random() < 0.4:
            self._hang(classes["painting"], walls[int(self._rng.integers(4))])
        self._surfaces += [self._floor_strip(wall) for wall in range(4)]
        return Room(self._size, tuple(self._instances), tuple(self._surfaces), table)

    def _choice(self, items: Sequence[_Item]) -> _Item:
        return items[int(self._rng.integers(len(items)))]

    def _texture(self, kind: str) -> Path:
        return self._choice(self._catalog.textures(kind))

    def _add_shell(self) -> None:
        x, y, z = (float(v) for v in self._size / (2, 2, 1))
        t = _THICKNESS_M
        wall = self._texture("wall")
        slabs = [
            ("floor", (-x, -y, -t), (x, y, 0.0), self._texture("floor"), 1.2),
            ("wall", (-x, y, 0.0), (x, y + t, z), wall, 2.0),
            ("wall", (x, -y, 0.0), (x + t, y, z), wall, 2.0),
            ("wall", (-x, -y - t, 0.0), (x, -y, z), wall, 2.0),
            ("wall", (-x - t, -y, 0.0), (-x, y, z), wall, 2.0),
            ("ceiling", (-x, -y, z), (x, y, z + t), self._texture("ceiling"), 2.0),
        ]
        for name, low, high, texture, tile_m in slabs:
            self._instances.append(Instance(
                len(self._instances) + 1, name, (box(low, high, texture, tile_m=tile_m),),
                structure=True))

    def _add(self, model: Model, room_from_model: NDArray[np.float64],
             supported_by: int = 1) -> Instance:
        instance = Instance(len(self._instances) + 1, model.class_name,
                            moved(model, room_from_model), supported_by=supported_by)
        self._instances.append(instance)
        return instance

    def _model(self, entry: ObjectClass) -> Model:
        if entry.models and not (entry.name == "table" and self._rng.random() < 0.6):
            asset = self._choice(entry.models)
            return self._catalog.model(entry.name, asset, entry.up[0])
        build = {"table": furniture.table, "chair": furniture.chair, "shelf": furniture.shelf}
        size = entry.size_m
        if entry.name == "table":
            length, depth = self._rng.uniform((1.35, 0.85), (1.65, 1.0))
            size = (float(length), float(depth), size[2])
        return build[entry.name](size, self._texture("wood"))

    def _add_table(self) -> NDArray[np.float64]:
        model = self._model(self._catalog.classes["table"])
        yaw = float(np.pi / 2) if model.extent_m[0] < model.extent_m[1] else 0.0
        x, y = self._rng.uniform(-0.12, 0.12, 2)
        table = self._add(model, pose(float(x), float(y), 0.0, yaw))
        low, high = table.box
        self._surfaces.append(_top(table, "table"))
        chair = self._model(self._catalog.classes["chair"])
        depth = float(chair.extent_m[1])
        spots = [(side, along) for side in (-1, 1) for along in (-0.25, 0.25)]
        count = int(self._rng.integers(2, 4))
        for index in self._rng.permutation(len(spots))[:count]:
            side, along = spots[int(index)]
            edge = high[1] if side > 0 else low[1]
            yaw = (0.0 if side > 0 else np.pi) + float(self._rng.uniform(-0.2, 0.2))
            self._add(chair, pose(
                float((low[0] + high[0]) / 2 + along * (high[0] - low[0])),
                float(edge + side * (depth / 2 + 0.10)), 0.0, yaw))
        return np.stack([low[:2], high[:2]])

    def _room_from_wall(self, wall: int) -> tuple[NDArray[np.float64], float]:
        """The transform from a wall's frame (x along it, -y into the room), and its length."""
        across, along = (1, 0) if wall % 2 == 0 else (0, 1)
        distance = float(self._size[across]) / 2
        yaw = -np.pi / 2 * wall
        turn = pose(0.0, 0.0, 0.0, float(yaw))
        return turn @ pose(0.0, distance, 0.0), float(self._size[along])

    def _against_wall(self, entry: ObjectClass, wall: int, surface: str) -> None:
        model = self._model(entry)
        room_from_wall, length = self._room_from_wall(wall)
        width, depth = (float(v) for v in model.extent_m[:2])
        taken = [instance.box for instance in self._instances if not instance.structure]
        for _ in range(_TRIES):
            x = float(self._rng.uniform(-1, 1)) * (length / 2 - width / 2 - 0.15)
            room_from_model = room_from_wall @ pose(x, -depth / 2 - _WALL_GAP_M, 0.0)
            if not overlap(bounds(moved(model, room_from_model)), taken, 0.05):
                break
        else:
            return
        instance = self._add(model, room_from_model)
        low, high = instance.box
        if surface in ("top", "counter"):
            self._surfaces.append(_top(instance, surface))
        elif surface == "shelf":
            levels = furniture.shelf_levels(entry.size_m)
            inset = furniture.BOARD_M + 0.02
            for z, above in zip(levels[1:-1], levels[2:], strict=True):
                self._surfaces.append(Surface(low[:2] + inset, high[:2] - inset, z,
                                              above - furniture.BOARD_M, "top", instance.id))

    def _hang(self, entry: ObjectClass, wall: int) -> None:
        model = self._model(entry)
        room_from_wall, length = self._room_from_wall(wall)
        width, depth, height = (float(v) for v in model.extent_m)
        taken = [instance.box for instance in self._instances if not instance.structure]
        for _ in range(_TRIES):
            x = float(self._rng.uniform(-1, 1)) * (length / 2 - width / 2 - 0.4)
            room_from_model = room_from_wall @ pose(x, -depth / 2 - 0.003,
                                                    _PAINTING_CENTER_M - height / 2)
            if not overlap(bounds(moved(model, room_from_model)), taken, 0.1):
                self._add(model, room_from_model, 2 + wall)
                return

    def _floor_strip(self, wall: int) -> Surface:
        room_from_wall, length = self._room_from_wall(wall)
        corners = np.array([[-length / 2 + 0.1, -0.55, 0, 1], [length / 2 - 0.1, -0.05, 0, 1]])
        corners = (corners @ room_from_wall.T)[:, :2]
        return Surface(corners.min(axis=0), corners.max(axis=0), 0.0, 1.2, "floor", 1)


def _top(instance: Instance, kind: str) -> Surface:
    """The top of a piece of furniture, a little inside its rim."""
    vertices = np.concatenate([part.vertices for part in instance.parts]).astype(np.float64)
    z = float(vertices[:, 2].max())
    rim = vertices[vertices[:, 2] > z - _TOP_M, :2]
    return Surface(rim.min(axis=0) + _RIM_M, rim.max(axis=0) - _RIM_M, z, z + _HEADROOM_M, kind,
                   instance.id)

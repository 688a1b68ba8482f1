"""A table with a mug on it, a shelf and a floor: labeled points, and maps of them."""

from __future__ import annotations

import numpy as np

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import ViewTable
from om3d_core.evaluation.ground_truth import GroundTruth

# Ids of the ground truth.
TABLE, MUG, SHELF, FLOOR = 3, 8, 9, 1
SPACING_M = 0.02


def grid(low, high):
    """Points of a block, SPACING_M apart."""
    axes = [np.arange(a, b + 1e-9, SPACING_M) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


PARTS = {
    TABLE: grid((0, 0, 0.7), (1, 0.8, 0.7)),
    MUG: grid((0.4, 0.4, 0.72), (0.48, 0.48, 0.8)),
    SHELF: np.concatenate([
        grid((3, 0, 0), (3, 0.3, 1.6)), grid((4, 0, 0), (4, 0.3, 1.6)),
        *(grid((3, 0, z), (4, 0.3, z)) for z in (0, 0.4, 0.8, 1.2, 1.6)),
        grid((3.02, 0.3, 0.02), (3.98, 0.3, 1.58)),
    ]),
    FLOOR: grid((0, -1, -0.2), (4, -0.5, -0.2)),
}
IDS = np.array(list(PARTS))
POINTS = np.concatenate(list(PARTS.values())).astype(np.float32)
OWNER = np.repeat(IDS, [len(points) for points in PARTS.values()])
TRUTH = GroundTruth(
    POINTS,
    InstanceMasks.from_lists([np.flatnonzero(OWNER == i) for i in IDS], len(POINTS),
                             structure=IDS == FLOOR),
    np.zeros(len(POINTS), bool),
    IDS,
    ("table", "mug", "shelf", "floor"),
)


def scene_of(*members, structure=None):
    """A map of the truth's points, each 5 mm away, whose instances hold ``members``."""
    masks = InstanceMasks.from_lists(list(members), len(POINTS), structure=structure)
    n = len(members)
    cloud = Cloud(POINTS + np.float32(0.005), np.zeros((len(POINTS), 3), np.uint8),
                  np.zeros((len(POINTS), 3), np.float32))
    return Scene(
        revision=1, cloud=cloud, masks=masks, ids=np.arange(n) + 50, up=np.array([0.0, 0, 1]),
        views=ViewTable.empty(n, 1), features=(), thumbnails=((),) * n, labels=("",) * n,
    )


def of(*names):
    return np.flatnonzero(np.isin(OWNER, names))


def on(name, low, high):
    inside = ((POINTS >= np.array(low) - 1e-6) & (POINTS <= np.array(high) + 1e-6)).all(axis=1)
    return np.flatnonzero((OWNER == name) & inside)


def shelf_without_back():
    """The points of the shelf but those of its back panel, and a position on that panel."""
    panel = on(SHELF, (3.02, 0.3, 0.02), (3.98, 0.3, 1.58))
    return np.setdiff1d(of(SHELF), panel), POINTS[panel[len(panel) // 2]].astype(float)

"""A hand-held camera path: once around the table, then from one piece of furniture to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from om3d_core.synthetic.scene import Instance, Room

_RING_MARGIN_M = 0.36
_RING_VIEWS = 12
_TABLE_EFFORT = 1.5
_TURN_EFFORT = 1.0
_SAMPLES_PER_KNOT = 100
_EYE_HEIGHT_M = (1.30, 1.55)
_TOUR_DISTANCE_M = 1.6
_MERGE_M = 0.8
_SIDE_RAD = np.radians(17)


def camera_path(room: Room, instances: tuple[Instance, ...], n_frames: int,
                rng: np.random.Generator) -> NDArray[np.float64]:
    """Poses room_from_camera (n_frames, 4, 4); optical axes (x right, y down, z forward)."""
    from scipy.interpolate import PchipInterpolator

    direction = float(rng.choice([-1.0, 1.0]))
    tour = _tour(room, instances, direction, rng)
    loop = _loop(room, direction, tour[0][0], rng)
    views = loop + tour
    eyes = np.array([eye for eye, _ in views])
    looks = np.array([target - eye for eye, target in views])
    azimuth = np.unwrap(np.arctan2(looks[:, 1], looks[:, 0]))
    pitch = np.arctan2(looks[:, 2], np.linalg.norm(looks[:, :2], axis=1))
    knots = np.arange(len(views))
    smooth = PchipInterpolator(knots, np.column_stack([eyes, azimuth, pitch]))
    path = smooth(_even_pace(smooth(_dense(knots)), _dense(knots), len(loop) - 1, n_frames))
    t = np.linspace(0.0, 1.0, n_frames)
    path[:, :3] += 0.012 * np.stack([_sway(t, 25, rng) for _ in range(3)], axis=1)
    path[:, 3:] += np.radians(0.9) * np.stack([_sway(t, 30, rng) for _ in range(2)], axis=1)
    roll = np.radians(1.5) * _sway(t, 20, rng)
    return np.stack([_pose(row[:3], row[3], row[4], turn)
                     for row, turn in zip(path, roll, strict=True)])


def _dense(knots: NDArray[np.int_]) -> NDArray[np.float64]:
    return np.linspace(knots[0], knots[-1], _SAMPLES_PER_KNOT * len(knots))


def _even_pace(path: NDArray[np.float64], at: NDArray[np.float64], slow_until: float,
               n_frames: int) -> NDArray[np.float64]:
    """Parameters (n_frames,) between which the camera moves and turns about equally far.

    path (S, 5): eye, azimuth and pitch at the parameters ``at`` (S,), slower up to
    ``slow_until``.
    """
    step = np.abs(np.diff(path, axis=0))
    effort = np.linalg.norm(step[:, :3], axis=1) + _TURN_EFFORT * step[:, 3:].sum(axis=1) + 1e-6
    effort[at[1:] <= slow_until] *= _TABLE_EFFORT
    done = np.append(0.0, np.cumsum(effort))
    return np.interp(np.linspace(0.0, done[-1], n_frames), done, at)


_View = tuple[NDArray[np.float64], NDArray[np.float64]]


def _loop(room: Room, direction: float, last: NDArray[np.float64],
          rng: np.random.Generator) -> list[_View]:
    """Views from a ring around the table, ending on the side of the eye ``last``."""
    center = room.table.mean(axis=0)
    half = (room.table[1] - room.table[0]) / 2
    end = np.arctan2(last[1] - center[1], last[0] - center[0])
    views = []
    for turn in np.linspace(-1.0, 0.0, _RING_VIEWS + 1):
        angle = end + direction * 2 * np.pi * turn
        spoke = np.array([np.cos(angle), np.sin(angle)])
        eye = np.append(center + spoke * (half + _RING_MARGIN_M) * rng.uniform(0.9, 1.1),
                        rng.uniform(*_EYE_HEIGHT_M))
        target = np.append(center + spoke * half * rng.uniform(-0.1, 0.3), 0.80)
        views.append((eye, target))
    return views


def _tour(room: Room, instances: tuple[Instance, ...], direction: float,
          rng: np.random.Generator) -> list[_View]:
    """Views of what stands along the walls: a group from its left and its right, else one."""
    center = room.table.mean(axis=0)
    reach = (room.table[1] - room.table[0]) / 2 + 0.35
    spots = []
    for instance in instances:
        low, high = instance.box
        middle = (low + high) / 2
        if instance.structure or (np.abs(middle[:2] - center) < reach).all():
            continue
        spots.append(np.append(middle[:2], np.clip(high[2] - 0.1, 0.3, 1.0)))
    bearings = np.arctan2(*(np.array(spots)[:, :2] - center).T[::-1])
    order = np.argsort(-bearings if direction < 0 else bearings, kind="stable")
    start = int(rng.integers(len(order)))
    views: list[_View] = []
    for group in _grouped([spots[int(i)] for i in np.roll(order, -start)]):
        target = np.mean(group, axis=0)
        inward = (center - target[:2]) / np.linalg.norm(center - target[:2])
        for side in (-direction, direction) if len(group) > 1 else (0.0,):
            c, s = np.cos(side * _SIDE_RAD), np.sin(side * _SIDE_RAD)
            spoke = np.array([c * inward[0] + s * inward[1], -s * inward[0] + c * inward[1]])
            eye = np.append(target[:2] + spoke * _TOUR_DISTANCE_M * rng.uniform(0.92, 1.1),
                            rng.uniform(*_EYE_HEIGHT_M))
            views.append((eye, target))
    return views


def _grouped(spots: list[NDArray[np.float64]]) -> list[list[NDArray[np.float64]]]:
    """Neighboring spots closer than ``_MERGE_M`` to the middle of a group belong to it."""
    groups: list[list[NDArray[np.float64]]] = []
    for spot in spots:
        if groups and np.linalg.norm(spot[:2] - np.mean(groups[-1], axis=0)[:2]) < _MERGE_M:
            groups[-1].append(spot)
        else:
            groups.append([spot])
    return groups


def _sway(t: NDArray[np.float64], cycles: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth signal within -1..1 of about ``cycles`` periods."""
    phases = rng.uniform(0, 2 * np.pi, 3)
    rates = cycles * rng.uniform(0.6, 1.2, 3)
    waves = [np.sin(2 * np.pi * rate * t + phase) for rate, phase in zip(rates, phases,
                                                                         strict=True)]
    return np.asarray(sum(waves) / 3.0, np.float64)


def _pose(eye: NDArray[np.float64], azimuth: float, pitch: float,
          roll: float) -> NDArray[np.float64]:
    forward = np.array([np.cos(pitch) * np.cos(azimuth), np.cos(pitch) * np.sin(azimuth),
                        np.sin(pitch)])
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    down = np.cross(forward, right)
    rolled_right = np.cos(roll) * right + np.sin(roll) * down
    room_from_camera = np.eye(4)
    room_from_camera[:3, :3] = np.stack(
        [rolled_right, np.cross(forward, rolled_right), forward], axis=1)
    room_from_camera[:3, 3] = eye
    return room_from_camera

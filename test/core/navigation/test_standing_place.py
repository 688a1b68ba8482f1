"""Places to stand: in worlds made by hand, and what holds of all of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.ground import drawn, room, upright
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from om3d_core.errors import (
    InputError,
    NoPlaceError,
    NoRoomError,
    OutsideGridError,
    RobotBlockedError,
    UnreachableError,
)
from om3d_core.navigation.free_space import FreeSpace
from om3d_core.navigation.occupancy import OccupancyGrid
from om3d_core.navigation.settings import StandingSettings
from om3d_core.navigation.standing_place import place_to_stand
from om3d_core.navigation.surroundings import Surroundings

ROBOT = StandingSettings(robot_radius_m=0.3, clearance_m=0.05, stand_off_m=0.6)
TABLE = (3.0, 2.0, 4.2, 2.8)
"""x0, y0, x1, y1 of a table in the middle of a room of 8 x 5 m."""


def at(*xy):
    return np.array(xy, np.float64)


def stand(grid, box, robot_xy=None, asked=ROBOT, **options):
    place = place_to_stand(FreeSpace(grid, asked), box, robot_xy=robot_xy, **options)
    check(grid, box, asked, place, robot_xy)
    return place


def check(grid, box, asked, place, robot_xy):
    """What holds of every place, found in other ways."""
    x, y, z = place.position
    assert z == grid.origin_m[2]
    toward = math.atan2(box.center[1] - y, box.center[0] - x)
    assert abs(math.remainder(place.yaw_rad - toward, 2 * math.pi)) < 1e-9
    local = (box.center - (x, y, box.center[2])) @ box.map_from_box
    beyond = np.maximum(np.abs(local[:2]) - box.size[:2] / 2, 0)
    assert np.hypot(*beyond) == pytest.approx(place.distance_m)
    assert asked.nearest_m - 1e-9 <= place.distance_m <= asked.max_stand_off_m + 1e-9
    assert room_of(grid, asked, (x, y)) >= max(asked.nearest_m, place.room_m) - 1e-5
    assert place.reachable == (robot_xy is not None)
    if robot_xy is not None:
        assert connected(grid, asked, robot_xy, (x, y))


def taken(grid, asked):
    """The cells that are not free."""
    unknown = (grid.cells < 0) & (not asked.unknown_is_free)
    return (grid.cells > asked.occupied_above) | unknown


def room_of(grid, asked, xy):
    """Meters from a point to the nearest cell that is not free, or to the end of the grid."""
    px, py = grid.to_plane(xy)
    rows, columns = np.nonzero(taken(grid, asked))
    dx = np.maximum(np.abs((columns + 0.5) * grid.resolution_m - px) - grid.resolution_m / 2, 0)
    dy = np.maximum(np.abs((rows + 0.5) * grid.resolution_m - py) - grid.resolution_m / 2, 0)
    height, width = np.array(grid.cells.shape) * grid.resolution_m
    return min([px, py, width - px, height - py, *np.hypot(dx, dy)])


def connected(grid, asked, start, end):
    """Whether the robot can drive from one point to the other."""
    ringed = np.pad(~taken(grid, asked), 1)
    drives = ndimage.distance_transform_edt(ringed)[1:-1, 1:-1] * grid.resolution_m
    parts, _ = ndimage.label(drives >= asked.passage_m - 1e-6, np.ones((3, 3)))
    rows, columns = np.indices(parts.shape)
    px, py = grid.to_plane(start) / grid.resolution_m - 0.5
    away = np.hypot(columns - px, rows - py) * grid.resolution_m
    held = away <= max(asked.passage_m, math.sqrt(0.5) * grid.resolution_m) + 1e-6
    end_cell = grid.cell_of(grid.to_plane(end))
    return parts[end_cell] > 0 and parts[end_cell] in parts[held]


def test_a_table_in_the_middle_of_a_room_is_faced_from_where_the_robot_is():
    grid, box = room(8, 5, walls=[TABLE]), upright(3.6, 2.4, 1.2, 0.8)
    for robot, side in ((at(7, 2.4), (1, 0)), (at(1, 2.4), (-1, 0)), (at(3.6, 4.5), (0, 1))):
        place = stand(grid, box, robot)
        assert place.distance_m == pytest.approx(0.6, abs=0.03) and place.in_sight
        away = np.array(place.position[:2]) - (3.6, 2.4)
        assert np.dot(away, side) > 0.6


def test_without_a_robot_the_side_with_most_room_is_taken():
    grid = room(8, 5, walls=[(0.05, 2.0, 1.25, 2.8)])
    place = stand(grid, upright(0.65, 2.4, 1.2, 0.8))
    assert place.position[0] > 1.5 and not place.reachable


def test_an_object_in_a_corner_is_faced_from_the_room():
    place = stand(room(4, 4), upright(3.8, 3.8, 0.2, 0.2), at(1, 1))
    assert place.position[0] < 3.6 and place.position[1] < 3.6 and place.in_sight


def test_a_wall_between_is_not_looked_through():
    """The robot is nearer to the wrong side of the wall, and can drive to both."""
    grid = room(6, 5, walls=[(3.0, 0.0, 3.1, 3.5)])
    box = upright(3.3, 1.0, 0.2, 0.2)
    place = stand(grid, box, at(2.0, 1.0))
    assert place.position[0] > 3.1 and place.in_sight
    shut = room(6, 5, walls=[(3.0, 0.0, 3.1, 5.0)])
    place = stand(shut, box, at(2.0, 1.0))
    assert place.position[0] < 3.0 and not place.in_sight
    place = stand(shut, box, at(5.0, 1.0))
    assert place.position[0] > 3.1 and place.in_sight


def test_what_another_room_holds_is_not_reached():
    shut = room(6, 5, walls=[(3.0, 0.0, 3.1, 5.0)])
    with pytest.raises(UnreachableError, match=r"\d+ places.* none connected with \(1.00, 1.00\)"):
        stand(shut, upright(5.0, 2.5, 0.2, 0.2), at(1.0, 1.0))


def test_a_narrow_door_is_passed_by_half_the_width_of_the_robot():
    door = room(6, 3, walls=[(3.0, 0.0, 3.1, 1.2), (3.0, 1.7, 3.1, 3.0)])
    box = upright(5.0, 1.5, 0.2, 0.2)
    with pytest.raises(UnreachableError, match=r"passage of 0.60 m \(goal.half_width_m\)"):
        stand(door, box, at(1.0, 1.5))
    assert stand(door, box, at(1.0, 1.5), replace(ROBOT, half_width_m=0.2)).position[0] > 3.1


def test_a_robot_at_a_wall_drives_off_but_one_within_it_does_not():
    grid, box = room(6, 4), upright(4.0, 2.0, 0.3, 0.3)
    assert stand(grid, box, at(0.2, 2.0)).in_sight
    shut_in = room(6, 4, walls=[(0.8, 0.8, 1.4, 0.9), (0.8, 1.1, 1.4, 1.2)])
    with pytest.raises(RobotBlockedError, match=r"\(1.10, 1.00\).*nearer than 0.30 m"):
        stand(shut_in, box, at(1.1, 1.0))
    enclosed = room(6, 4, walls=[(0, 1.5, 1.5, 1.6), (1.5, 0, 1.6, 1.6)])
    with pytest.raises(UnreachableError):
        stand(enclosed, box, at(0.8, 0.8))


def test_outside_of_the_grid_there_is_no_place():
    grid = room(4, 4)
    with pytest.raises(OutsideGridError, match=r"object, got none: it is at \(9.00, 2.00\)"):
        stand(grid, upright(9.0, 2.0, 0.3, 0.3))
    with pytest.raises(OutsideGridError, match=r"the robot on the grid, got it at \(-1.00"):
        stand(grid, upright(2.0, 2.0, 0.3, 0.3), at(-1.0, 2.0))
    assert stand(grid, upright(4.3, 2.0, 0.4, 0.4), at(1.0, 2.0)).distance_m < 0.75


def test_why_there_is_no_room_is_told_in_numbers():
    grid = drawn("""
        ############
        #??????????#
        #?????.....#
        #????......#
        #????......#
        #??????????#
        ############
    """)
    box = upright(1.5, 0.875, 0.1, 0.1)
    above = Surroundings(wall_of_points(2.3, 0.8, 2.3, 0.9, 0.5, 0.6), np.arange(0))
    said = r"of \d+ cells \d+ are occupied, \d+ unknown, \d+ under things .* \d+ nearer than 0.35"
    with pytest.raises(NoRoomError, match=said) as error:
        stand(grid, box, surroundings=above)
    counts = [int(word) for word in str(error.value).split() if word.isdigit()]
    assert counts[0] == sum(counts[1:]) and min(counts) > 0
    assert stand(grid, box, asked=replace(ROBOT, unknown_is_free=True)).distance_m > 0.3
    with pytest.raises(NoRoomError, match="none for its box of 9.00 x 9.00 m"):
        stand(room(3, 3), upright(1.5, 1.5, 9.0, 9.0))


def test_the_stand_off_can_be_asked_for():
    grid, box = room(8, 8), upright(4, 4, 0.5, 0.5)
    assert stand(grid, box, stand_off_m=1.2).distance_m == pytest.approx(1.2, abs=0.03)
    assert stand(grid, box, stand_off_m=0.0).distance_m == pytest.approx(0.375, abs=0.03)
    for bad in (-0.1, 1.6, math.nan, math.inf):
        with pytest.raises(InputError, match="stand_off_m"):
            stand(grid, box, stand_off_m=bad)
    with pytest.raises(NoRoomError, match="max_stand_off_m of at least 0.35"):
        stand(grid, box, asked=replace(ROBOT, max_stand_off_m=0.3))
    close = replace(ROBOT, max_stand_off_m=0.4)
    assert stand(grid, box, asked=close).distance_m == pytest.approx(0.375, abs=0.03)


def wall_of_points(x0, y0, x1, y1, low, high, step=0.04):
    """Points on an upright plane, or in a block."""
    axes = [np.arange(a, b + 1e-9, step) for a, b in ((x0, x1), (y0, y1), (low, high))]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3).astype(np.float32)


def test_a_table_top_that_the_grid_does_not_know_is_an_obstacle():
    """A lidar below it sees its legs only."""
    grid, mug = room(8, 5), upright(3.6, 2.4, 0.1, 0.1, z=0.8, height=0.1)
    top = wall_of_points(3.0, 2.0, 4.2, 2.8, 0.72, 0.75)
    known = Surroundings(np.concatenate([top, wall_of_points(0, 0, 8, 5, 0, 0)]), np.arange(0))
    under = stand(grid, mug, at(6.0, 2.4))
    assert under.position[0] < 4.4
    beside = stand(grid, mug, at(6.0, 2.4), surroundings=known)
    off = np.abs(np.array(beside.position[:2]) - (3.6, 2.4)) - (0.6, 0.4)
    assert np.hypot(*np.maximum(off, 0)) > 0.3 and beside.in_sight
    blind = replace(ROBOT, robot_height_m=0.0)
    assert stand(grid, mug, at(6.0, 2.4), blind, surroundings=known) == under


def test_heights_are_counted_from_the_plane_of_the_grid():
    """The table top of before, in a building whose ground is 3 m up."""
    flat = room(8, 5)
    grid = OccupancyGrid(flat.cells, flat.resolution_m, (0.0, 0.0, 3.0), 0.0)
    mug = upright(3.6, 2.4, 0.1, 0.1, z=3.8, height=0.1)
    top = Surroundings(wall_of_points(3.0, 2.0, 4.2, 2.8, 3.72, 3.75), np.arange(0))
    hidden = Surroundings(
        np.concatenate([top.points, wall_of_points(2.8, 1.8, 4.4, 3.0, 3.85, 3.9)]), np.arange(0)
    )
    assert stand(grid, mug, at(6.0, 2.4), surroundings=top).in_sight
    assert not stand(grid, mug, at(6.0, 2.4), surroundings=hidden).in_sight


def test_a_counter_is_looked_over_where_the_map_tells_how_high_it_is_and_a_wall_is_not():
    counter, wall = (3.0, 0.05, 3.6, 4.95), (2.9, 0.0, 3.0, 5.0)
    grid = room(6, 5, walls=[counter, wall])
    mug = upright(3.1, 2.5, 0.1, 0.1, z=0.95, height=0.1)
    points = np.concatenate([
        wall_of_points(3.0, 0.05, 3.58, 4.93, 0.88, 0.9),
        wall_of_points(2.92, 0.0, 2.98, 5.0, 0.02, 2.5),
        wall_of_points(3.05, 2.45, 3.15, 2.55, 0.9, 1.0),
    ])
    known = Surroundings(points, np.arange(len(points) - 27, len(points)))
    place = stand(grid, mug, surroundings=known)
    assert place.position[0] > 3.6 and place.in_sight
    assert not stand(grid, mug).in_sight


GRIDS = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
PLACES = st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2))
"""Parts of the width and the height of a grid."""


def random_ground(size, near=True):
    """Cells, a few of them occupied or unknown."""
    height, width, seed = size
    rng = np.random.default_rng(seed)
    chances = [0.93, 0.04, 0.03] if near else [0.6, 0.2, 0.2]
    return rng.choice(np.array([0, 100, -1], np.int8), (height, width), p=chances)


@given(
    GRIDS, st.sampled_from([0.1, 0.25, 0.5]), st.floats(-4, 4), PLACES, PLACES, st.booleans(),
    st.floats(0.0, 1.5), st.floats(-4, 4), st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_of_any_ground_there_is_a_place_or_a_reason(
    size, resolution_m, yaw_rad, middle, robot, told, side_m, box_yaw_rad, near
):
    grid = OccupancyGrid(random_ground(size, near), resolution_m, (0.4, -0.3, 0.1), yaw_rad)
    extent = np.array(grid.cells.shape[::-1]) * resolution_m
    box = upright(*grid.from_plane(middle * extent), side_m, 0.4, yaw_rad=box_yaw_rad)
    robot_xy = grid.from_plane(robot * extent) if told else None
    asked = replace(ROBOT, robot_radius_m=0.2)
    try:
        place = stand(grid, box, robot_xy, asked)
    except NoPlaceError as error:
        assert str(error).startswith("expected ") and "got" in str(error)
    else:
        assert place == stand(grid, box, robot_xy, asked)


@given(
    st.integers(0, 10**6), st.floats(-4, 4), st.floats(-50, 50), st.floats(-50, 50), st.booleans()
)
@settings(max_examples=50, deadline=None)
def test_a_world_that_is_moved_moves_the_place_alike(seed, yaw_rad, x, y, told):
    cells = random_ground((40, 40, seed))
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    turn = np.array([[c, -s], [s, c]])
    rng = np.random.default_rng(seed)
    middle, robot = rng.uniform(2, 8, 2), rng.uniform(2, 8, 2)
    asked, found = replace(ROBOT, robot_radius_m=0.2), []
    for origin, angle, move in (
        ((0.0, 0.0, 0.0), 0.0, lambda p: p),
        ((x, y, 0.2), yaw_rad, lambda p: turn @ p + (x, y)),
    ):
        grid = OccupancyGrid(cells, 0.25, origin, angle)
        box = upright(*move(middle), 0.5, 0.3, yaw_rad=angle + 0.4)
        try:
            found.append(stand(grid, box, move(robot) if told else None, asked))
        except NoPlaceError as error:
            found.append(type(error))
    still, moved = found
    if isinstance(still, type):
        assert still is moved
        return
    assert np.allclose(moved.position[:2], turn @ still.position[:2] + (x, y), atol=1e-6)
    assert abs(math.remainder(moved.yaw_rad - still.yaw_rad - yaw_rad, 2 * math.pi)) < 1e-6
    assert moved.in_sight == still.in_sight and moved.room_m == still.room_m

"""Goals near instances, without a process: which error is told, and what a goal takes in."""

from __future__ import annotations

import math
import random
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from fuzz.values import changed
from geometry_msgs.msg import PoseStamped
from helpers.doubles import ColorEncoder
from helpers.ground import room
from helpers.ground_messages import ground_message
from helpers.robot import code_name
from helpers.worlds import BOXES
from om3d.srv import GoalNear
from std_msgs.msg import Header

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.query.settings import QuerySettings
from om3d_ros import query_encoders
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import to_update
from om3d_ros.conversions.poses import to_transforms
from om3d_ros.conversions.stamps import header
from om3d_ros.freshness import Freshness
from om3d_ros.goal_near import GoalsNear
from om3d_ros.node.outcomes import carry_out
from om3d_ros.node.settings import GoalSettings, QueryNodeSettings
from om3d_ros.query_session import Answering

TABLE, RED, BLUE = (list(BOXES).index(name) + 1 for name in ("table", "red", "blue"))
FIELDS = tuple(GoalNear.Request.get_fields_and_field_types())
GRID = ground_message(room(6, 6, origin_m=(-3.0, -3.0, 0.0)))


class Log:
    def __init__(self):
        self.lines = []

    def note(self, text, **options):
        self.lines.append(text)

    info = warning = error = note


def surface(center, size, step=0.04):
    """Points on the top and the sides of a box."""
    ticks = [np.arange(-s / 2, s / 2 + 1e-9, step) + c for c, s in zip(center, size, strict=True)]
    points = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    sides = np.abs(points - center) > np.array(size) / 2 - step
    return points[sides.any(axis=1)].astype(np.float32)


@pytest.fixture(scope="module")
def whole_map():
    """An update with a map of the tabletop: a table, a red, a green and a blue box, a floor."""
    parts = [surface(center, size) for center, size, _ in BOXES.values()]
    parts.append(surface((0.0, 0.0, 0.0), (5.6, 5.6, 0.01), 0.1))
    ends = np.cumsum([len(part) for part in parts])
    members = np.split(np.arange(ends[-1]), ends[:-1])
    n, points = len(parts), np.concatenate(parts)
    cloud = Cloud(points, np.zeros(points.shape, np.uint8), np.zeros(points.shape, np.float32))
    masks = InstanceMasks.from_lists(members, len(points), np.ones(n), [False] * 4 + [True])
    colors = np.array([color for *_, color in BOXES.values()] + [(99, 99, 99)], np.float32)
    features = FeatureTable.from_means(ColorEncoder().spaces[0], colors[:, None] / 255)
    views = ViewTable(
        np.arange(n, dtype=np.int64)[:, None], np.ones((n, 1), np.int32),
        np.zeros((n, 1, 4), np.int32),
    )
    scene = Scene(
        1, cloud, masks, np.arange(n, dtype=np.int64) + 1, np.array([0.0, 0.0, 1.0]), views,
        (features,), ((b"view",),) * n, ("",) * n, map_id="0" * 32,
    )
    return to_update(None, MapParts.of(scene), Header(frame_id="map"))


@pytest.fixture
def ask(monkeypatch, whole_map):
    """Asks for a goal; ``ask.goals`` answers."""
    monkeypatch.setattr(query_encoders, "encoder_of_space", lambda *_: ColorEncoder())
    log = Log()

    def answering(**goal):
        settings = QueryNodeSettings(goal=GoalSettings(**goal))
        made = Answering(
            settings, QuerySettings(), EncoderSettings(), {"": Freshness()}, log
        )
        made.take_update(whole_map)
        return made, GoalsNear(settings, made, log)

    def ask(**fields):
        response, request = GoalNear.Response(), GoalNear.Request(**fields)
        done = carry_out(response, lambda out: ask.goals.answer(request, out), log)
        return code_name(done.error_code), done

    def use(**goal):
        opened.append(answering(**goal))
        ask.answering, ask.goals = opened[-1]

    opened = []
    ask.use, ask.log = use, log
    use()
    ask.goals.take_grid(GRID)
    yield ask
    for made, _ in opened:
        made.close()


def robot_at(x, y, frame_id="map"):
    pose = PoseStamped(header=header(frame_id, 0))
    pose.pose.position.x, pose.pose.position.y = x, y
    return pose


def test_a_goal_stands_beside_the_table_that_the_grid_does_not_know(ask):
    code, beside = ask(instance_id=RED)
    assert code == "NONE" and not beside.reachability_checked and beside.in_sight
    position = beside.goal.pose.position
    off = np.maximum(np.abs([position.x, position.y]) - (0.6, 0.4), 0)
    assert np.hypot(*off) > 0.3 and position.z == 0.0
    ask.use(robot_height_m=0.0)
    ask.goals.take_grid(GRID)
    code, under = ask(instance_id=RED, robot=robot_at(-2.0, 0.0))
    assert code == "NONE" and under.reachability_checked and under.distance_m < 0.63


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({}, "INVALID_ARGUMENT", "exactly one of instance_id and text, got none"),
        ({"text": " \n"}, "INVALID_ARGUMENT", "got none"),
        ({"text": "red", "instance_id": RED}, "INVALID_ARGUMENT", "got both"),
        ({"text": "x" * 5000}, "INVALID_ARGUMENT", "text of at most 4096 bytes"),
        ({"instance_id": 2**32 - 1}, "NOT_FOUND", "got 4294967295"),
        ({"instance_id": RED, "stand_off_m": -1.0}, "INVALID_ARGUMENT", "stand_off_m"),
        ({"instance_id": RED, "stand_off_m": math.nan}, "INVALID_ARGUMENT", "stand_off_m"),
        ({"instance_id": RED, "robot": robot_at(0, 2, "odom")}, "TRANSFORM", "robot: expected"),
        ({"instance_id": RED, "robot": robot_at(math.nan, 2)}, "INVALID_ARGUMENT", "finite"),
        ({"instance_id": RED, "robot": robot_at(9, 2)}, "OUTSIDE_GRID", "robot on the grid"),
        ({"instance_id": RED, "robot": robot_at(-2.8, 2)}, "NONE", ""),
    ],
)
def test_odd_requests(ask, fields, code, said):
    got, response = ask(**fields)
    assert got == code and said in response.error_msg
    assert (response.instance_id == RED) == (code == "NONE")


def test_what_a_text_means_is_gone_to_if_it_is_in_the_map(ask):
    ask.answering.apply(QueryNodeSettings(), QuerySettings(present_threshold=0.0))
    code, by_text = ask(text=" blue\n")
    _, by_id = ask(instance_id=BLUE)
    assert code == "NONE" and by_text.goal == by_id.goal and by_text.instance_id == BLUE
    assert 0 < by_text.probability < by_id.probability == 1.0
    assert [marker.id for marker in ask.answering.markers().markers[1:]] == [BLUE] * 3
    ask.answering.apply(QueryNodeSettings(), QuerySettings(present_threshold=1.0))
    code, response = ask(text="red")
    assert code == "NOT_FOUND" and f"instance {RED} with probability" in response.error_msg
    assert "'red'" in response.error_msg


def test_each_reason_has_its_code(ask):
    walls = [(0.0, 4.2, 6.0, 4.3)]
    ask.goals.take_grid(ground_message(room(6, 6, walls=walls, origin_m=(-3.0, -3.0, 0.0))))
    assert ask(instance_id=RED, robot=robot_at(0.0, 2.0))[0] == "UNREACHABLE"
    ask.goals.take_grid(ground_message(room(2, 6, origin_m=(1.5, -3.0, 0.0))))
    assert ask(instance_id=RED)[0] == "OUTSIDE_GRID"
    ask.goals.take_grid(ground_message(room(6, 6, walls=[(1, 1, 5, 5)], origin_m=(-3.0, -3.0, 0))))
    code, response = ask(instance_id=RED)
    assert code == "NO_ROOM" and "occupied" in response.error_msg
    assert ask(instance_id=RED, robot=robot_at(0.0, 0.0))[0] == "ROBOT_BLOCKED"


def test_a_grid_that_is_refused_leaves_the_former_in_use(ask):
    before = ask(instance_id=BLUE)[1]
    foreign = ground_message(room(6, 6), "odom")
    ask.goals.take_grid(foreign)
    assert "expected header.frame_id 'map' (parameter map_frame)" in ask.goals.complaint
    assert any(ask.goals.complaint == line for line in ask.log.lines)
    assert ask(instance_id=BLUE)[1] == before
    ask.goals.take_grid(GRID)
    assert not ask.goals.complaint


def test_a_map_in_another_frame_is_not_mixed_with_the_grid(ask, whole_map):
    elsewhere = deepcopy(whole_map)
    elsewhere.header.frame_id = "world"
    elsewhere.revision += 1
    ask.answering.take_update(elsewhere)
    code, response = ask(instance_id=RED)
    assert code == "TRANSFORM" and "instances: expected" in response.error_msg


def test_without_a_grid_it_is_said_why(ask):
    ask.use()
    code, response = ask(instance_id=RED)
    assert code == "NO_GRID" and "none has come on map yet" in response.error_msg
    ask.goals.take_grid(ground_message(room(6, 6), "odom"))
    code, response = ask(instance_id=RED)
    assert code == "NO_GRID" and "'odom'" in response.error_msg


def test_settings_that_change_count_at_once(ask):
    near = ask(instance_id=RED)[1].room_m
    wide = replace(QueryNodeSettings().goal, robot_radius_m=0.8, max_stand_off_m=2.5)
    ask.goals.apply(replace(QueryNodeSettings(), goal=wide))
    code, response = ask(instance_id=RED)
    assert code == "NONE" and response.room_m >= 0.85 and near < 3.0
    near_only = replace(QueryNodeSettings().goal, max_stand_off_m=1.1)
    ask.goals.apply(replace(QueryNodeSettings(), goal=near_only))
    as_sent = float(np.float32(1.1))
    assert ask(instance_id=TABLE, stand_off_m=as_sent)[0] == "NONE"


def test_tf_tells_where_the_robot_is(ask):
    ask.use(robot_frame="base_link")
    ask.goals.take_grid(GRID)
    tf = ask.goals.robot
    code, response = ask(instance_id=RED)
    assert code == "TRANSFORM" and "'base_link' (goal.robot_frame)" in response.error_msg

    def moved(x):
        pose = np.eye(4)
        pose[0, 3] = x
        return pose

    tf.take(to_transforms("map", "odom", 1, moved(1.0)), fixed=True)
    assert ask(instance_id=RED)[0] == "TRANSFORM"
    tf.take(to_transforms("base", "base", 1, moved(1.0)), fixed=False)
    assert ask(instance_id=RED)[0] == "TRANSFORM"
    assert "a transform was refused" in ask.log.lines[-2]
    for x, side in ((1.5, 1.0), (-3.5, -1.0)):
        tf.take(to_transforms("odom", "base_link", 1, moved(x)), fixed=False)
        assert tf.xy().tolist() == [x + 1.0, 0.0]
        code, response = ask(instance_id=TABLE)
        assert code == "NONE" and response.reachability_checked
        assert response.goal.pose.position.x * side > 0.9


def test_whatever_comes_is_answered_or_refused(ask):
    """Requests, grids and transforms with fields changed at random."""
    ask.use(robot_frame="base_link")
    rng, codes = random.Random(0), set()
    small = ground_message(room(6, 6, 0.25, origin_m=(-3.0, -3.0, 0.0)))
    for _ in range(150):
        ask.goals.take_grid(changed(rng, deepcopy(small), rng.choice((0, 1, 2))))
        moved = to_transforms("map", "base_link", 1, np.eye(4))
        changed(rng, moved.transforms[0], rng.choice((0, 1, 2)))
        ask.goals.robot.take(moved, rng.random() < 0.5)
        request = {"instance_id": rng.choice((TABLE, RED))}
        if rng.random() < 0.5:
            request["robot"] = robot_at(0.0, 2.0)
        made = changed(rng, GoalNear.Request(**request), rng.choice((0, 1)))
        codes.add(ask(**{name: getattr(made, name) for name in FIELDS})[0])
    assert {"NONE", "INVALID_ARGUMENT", "TRANSFORM"} <= codes and "INTERNAL" not in codes

"""One authority for up: as it was set, else by the surfaces and the cameras, and all get it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.worlds import fused, tabletop

from om3d_core.data.cloud import Cloud
from om3d_core.errors import SettingsError
from om3d_core.evaluation.single_view import evaluate_views
from om3d_core.mapping.gravity import GravitySettings, decide_up, held_up, up_of_part
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job
from om3d_core.settings import build, flatten

Z_UP = np.array([0.0, 0.0, 1.0])


class Asked(BoxProposer):
    """Notes which up it is given."""

    def __init__(self):
        super().__init__()
        self.ups = []

    def propose(self, cloud, job, up):
        self.ups.append(up)
        return super().propose(cloud, job, up)


@pytest.fixture(scope="module")
def frames():
    return tabletop(6)


@pytest.fixture(scope="module")
def cloud(frames):
    return fused(frames, 0.03)


def turned(cloud, turn):
    return Cloud(
        (cloud.points @ turn.T).astype(np.float32), cloud.colors,
        (cloud.normals @ turn.T).astype(np.float32),
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cameras_and_surfaces_tell_up_in_any_frame(frames, cloud, axis, sign):
    turn = np.roll(np.eye(3), axis, axis=0) * np.array([sign, 1.0, sign])
    poses = [frame.map_from_camera.copy() for frame in frames]
    for pose in poses:
        pose[:3, :3] = turn @ pose[:3, :3]
    up = decide_up(turned(cloud, turn), cameras=poses)
    assert np.linalg.norm(up) == pytest.approx(1.0)
    assert up @ turn @ Z_UP > np.cos(np.deg2rad(1.0))


def rolled(frames, quarters, turn=None):
    """The cameras' poses turned about their axes, in a map that is turned."""
    roll, pose = np.eye(4), np.eye(4)
    roll[:2, :2] = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), quarters)
    pose[:3, :3] = np.eye(3) if turn is None else turn
    return [pose @ frame.map_from_camera @ roll for frame in frames]


@pytest.mark.parametrize("quarters", [1, 3])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_phone_held_upright_leaves_up_where_it_is(frames, cloud, quarters, axis):
    turn = np.roll(np.eye(3), axis, axis=0)
    up = decide_up(turned(cloud, turn), cameras=rolled(frames, quarters, turn))
    assert up @ turn @ Z_UP > np.cos(np.deg2rad(1.0))
    level = decide_up(Cloud.empty(), cameras=rolled(frames, quarters))
    assert level @ Z_UP > np.cos(np.deg2rad(5.0))


def test_cameras_that_do_not_turn_are_taken_for_upright(frames):
    pose = frames[0].map_from_camera
    held = held_up(np.stack([pose[:3, :3]] * 5), np.zeros((0, 3)))
    assert held / np.linalg.norm(held) == pytest.approx(-pose[:3, 1])
    assert held_up(np.zeros((0, 3, 3)), np.zeros((0, 3))) is None


def test_what_is_set_beats_what_is_seen(frames, cloud):
    poses = [frame.map_from_camera for frame in frames]
    assert decide_up(cloud, GravitySettings("0,-2,0"), poses) == pytest.approx([0, -1, 0])
    assert decide_up(Cloud.empty(), GravitySettings("3,0,4")) == pytest.approx([0.6, 0, 0.8])


def tilted(degrees):
    angle = np.deg2rad(degrees)
    return np.array([0.0, np.sin(angle), np.cos(angle)])


def test_up_of_a_part_stays_when_that_of_the_whole_turns_a_little():
    part = np.array([2.0 * tilted(30.4), 0.5 * tilted(32.0), [3.0, 0.0, 0.0], -4.0 * tilted(30.0)])
    own = [up_of_part(part, tilted(angle)) for angle in (29.0, 30.2, 31.0)]
    assert all(np.array_equal(own[0], up) for up in own)
    assert own[0] @ tilted(30.7) > np.cos(np.deg2rad(0.7))


def test_up_of_a_part_is_that_of_the_whole_if_it_is_an_axis_or_the_part_does_not_tell():
    assert up_of_part(np.array([tilted(3.0)]), Z_UP) is Z_UP
    up = tilted(30.0)
    assert up_of_part(np.array([[1.0, 0.0, 0.0]]), up) is up
    assert up_of_part(np.zeros((0, 3)), up) is up


def test_without_anything_to_tell_it_z_is_up():
    assert decide_up(Cloud.empty()) == pytest.approx(Z_UP)


@pytest.mark.parametrize("up", ["", "0,0,0", "1,2", "north", "nan,0,1", "0,0,1,0"])
def test_bad_up_is_refused(up):
    with pytest.raises(SettingsError, match="up"):
        GravitySettings(up=up)


def test_up_is_set_once():
    names = [leaf.name for leaf in flatten(MapSettings)]
    assert [name for name in names if name.split(".")[-1] == "up"] == ["gravity.up"]


@pytest.mark.parametrize(("given", "expected"), [("auto", Z_UP), ("0,1,0", [0.0, 1.0, 0.0])])
def test_the_proposer_is_given_the_up_of_the_scene(frames, cloud, given, expected):
    settings = build(MapSettings, {"gravity.up": given, "fusion.voxel_m": 0.03})
    for own_cloud in (cloud, None):
        proposer = Asked()
        mapper = Mapper(settings, proposer, [ColorEncoder()])
        if own_cloud is not None:
            mapper.set_cloud(own_cloud)
        for frame in frames:
            mapper.add_frame(frame)
        scene = mapper.refresh()
        (up,) = proposer.ups
        assert np.array_equal(up, scene.up) and up == pytest.approx(expected, abs=0.02)


def test_single_views_are_proposed_on_with_an_up(frames, tmp_path):
    frame = frames[0]
    depth = np.rint(frame.depth * 1000).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.color.png"), frame.rgb[..., ::-1])
    cv2.imwrite(str(tmp_path / "a.depth.png"), depth)
    cv2.imwrite(str(tmp_path / "a.label.png"), np.where(frame.depth > 0, 2, 0).astype(np.uint8))
    np.savetxt(tmp_path / "intrinsics.txt", frame.intrinsics.matrix)
    proposer = Asked()
    evaluate_views(tmp_path, proposer, Job())
    evaluate_views(tmp_path, proposer, Job(), gravity=GravitySettings("0,-1,0"))
    seen, given = proposer.ups
    assert seen @ frame.map_from_camera[:3, :3].T @ Z_UP > np.cos(np.deg2rad(2.0))
    assert given == pytest.approx([0, -1, 0])

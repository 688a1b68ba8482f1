"""Messages to core types and back: lossless, and checked field by field."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, Quaternion
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.scenes import make_scene
from helpers.worlds import tabletop
from om3d.msg import Instance, InstanceArray
from sensor_msgs.msg import Image

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import MAX_STAMP_NS, ViewTable
from om3d_core.errors import InputError
from om3d_core.formats.calibration import Calibration
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.query.scene_query import SceneQuery
from om3d_core.settings import build
from om3d_core.streams.settings import DepthSettings
from om3d_ros.conversions import clouds, images, poses, stamps
from om3d_ros.conversions.instances import to_cloud_of_instances, to_instances, to_views
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import applied, to_update

HEADER = stamps.header("map", 12_000_000_345)
RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def scene():
    settings = build(MapSettings, {"fusion.voxel_m": 0.03, "views.min_pixels": 10})
    mapper = Mapper(settings, BoxProposer(), [ColorEncoder()])
    for frame in tabletop(6):
        mapper.add_frame(frame)
    return mapper.refresh()


def random_cloud(n):
    return Cloud(
        RNG.normal(size=(n, 3)).astype(np.float32),
        RNG.integers(0, 256, (n, 3)).astype(np.uint8),
        np.tile(np.float32([0, 0, 1]), (n, 1)),
    )


def optional(module):
    """A package that only an installed ROS 2 has."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        pytest.skip(f"needs {module} of an installed ROS 2: {error}")


def test_stamps():
    for value in (0, 1, 999_999_999, 1_795_000_000_123_456_789, MAX_STAMP_NS):
        assert stamps.stamp_ns(stamps.to_time(value)) == value
    for value in (-1, 2**62):
        with pytest.raises(InputError):
            stamps.to_time(value)
    for sec, nanosec in ((-1, 0), (2**31 - 1, 10**9), (2**31 - 1, 2**32 - 1)):
        with pytest.raises(InputError, match=r"header\.stamp"):
            stamps.stamp_ns(Time(sec=sec, nanosec=nanosec))


def test_poses():
    for frame in tabletop(3):
        back = poses.to_matrix(poses.from_matrix(frame.map_from_camera))
        assert np.allclose(back, frame.map_from_camera, atol=1e-9)
    bad = poses.from_matrix(np.eye(4))
    bad.orientation.w = 0.0
    with pytest.raises(InputError, match="quaternion"):
        poses.to_matrix(bad)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8", "rgba8"])
def test_color_images(encoding):
    channels = {"mono8": (), "rgba8": (4,)}.get(encoding, (3,))
    pixels = RNG.integers(0, 256, (7, 5, *channels)).astype(np.uint8)
    rgb = images.to_rgb(images.from_pixels(pixels, encoding, HEADER))
    expected = {
        "rgb8": lambda: pixels, "bgr8": lambda: pixels[..., ::-1],
        "mono8": lambda: np.repeat(pixels[..., None], 3, 2), "rgba8": lambda: pixels[..., :3],
    }[encoding]()
    assert np.array_equal(rgb, expected)


def test_depth_images():
    millimeters = np.array([[0, 500, 65535], [1, 1234, 3000]], np.uint16)
    depth = images.to_depth(images.from_pixels(millimeters, "16UC1", HEADER), DepthSettings())
    assert np.allclose(depth, [[0, 0.5, 0], [0.001, 1.234, 3.0]])
    meters = np.array([[np.nan, 0.5, np.inf], [-1.0, 1.25, 3.0]], np.float32)
    depth = images.to_depth(images.from_pixels(meters, "32FC1", HEADER), DepthSettings())
    assert np.array_equal(depth, np.float32([[0, 0.5, 0], [0, 1.25, 3.0]]))
    told = DepthSettings(float_units_per_m=1000.0)
    depth = images.to_depth(images.from_pixels(1000 * meters, "32FC1", HEADER), told)
    assert np.allclose(depth, [[0, 0.5, 0], [0, 1.25, 3.0]])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoding": "yuv777"}, "encoding"), ({"step": 3}, "step"), ({"height": 0}, "height"),
        ({"width": 2**31}, "width"), ({"height": 9}, "data"),
    ],
)
def test_bad_images_name_the_field(change, said):
    message = images.from_pixels(np.zeros((4, 5, 3), np.uint8), "rgb8", HEADER)
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(InputError, match=said):
        images.to_rgb(message)


def test_camera_info():
    (frame,) = tabletop(1)
    message = images.from_intrinsics(frame.intrinsics, HEADER)
    assert Calibration.of_info(message, rectified=False) == Calibration(frame.intrinsics)
    message.d = [0.1, 0.0, 0.0, 0.0, 0.0]
    lens = Calibration.of_info(message, rectified=False)
    assert lens.model == "plumb_bob" and lens.distortion == (0.1, 0.0, 0.0, 0.0, 0.0)
    message.p = [50.0, 0.0, 30.0, 0.0, 0.0, 51.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    straight = Calibration.of_info(message, rectified=True)
    assert straight.intrinsics.fx == 50.0 and not straight.distortion
    message.k = [0.0] * 9
    with pytest.raises(InputError, match="camera_info"):
        Calibration.of_info(message, rectified=False)


def test_frames_take_the_size_of_depth():
    (frame,) = tabletop(1)
    color = images.from_pixels(frame.rgb, "rgb8", HEADER)
    depth = images.from_pixels(np.ascontiguousarray(frame.depth[::2, ::2]), "32FC1", HEADER)
    info = images.from_intrinsics(frame.intrinsics, HEADER)
    shot = images.Shot(5, color, depth, info, frame.map_from_camera)
    small = images.to_frame(shot, DepthSettings(), rectified=False)
    assert small.rgb.shape == (60, 80, 3) and small.intrinsics.width == 80
    info.width = 100
    with pytest.raises(InputError, match="camera_info"):
        images.to_frame(shot, DepthSettings(), rectified=False)


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_clouds(n):
    cloud = random_cloud(n)
    back = clouds.to_cloud(clouds.from_cloud(cloud, HEADER))
    for name in ("points", "colors", "normals"):
        assert np.array_equal(getattr(back, name), getattr(cloud, name))


def test_a_large_cloud_becomes_a_message_quickly():
    import time

    cloud = random_cloud(500_000)
    start = time.process_time()
    clouds.from_cloud(cloud, HEADER)
    assert time.process_time() - start < 5.0


def through_messages(scene):
    return applied(None, to_update(None, MapParts.of(scene), HEADER)).scene()


def test_a_scene_survives_its_messages(scene):
    back = through_messages(scene)
    assert (back.map_id, back.revision) == (scene.map_id, scene.revision)
    assert np.array_equal(back.ids, scene.ids)
    assert np.array_equal(back.cloud.points, scene.cloud.points)
    assert np.array_equal(back.cloud.colors, scene.cloud.colors)
    for name in ("indptr", "indices", "scores", "structure"):
        assert np.array_equal(getattr(back.masks, name), getattr(scene.masks, name))
    assert back.thumbnails == scene.thumbnails and back.labels == scene.labels
    assert np.allclose(back.up, scene.up)
    k = back.views.stamps.shape[1]
    assert np.array_equal(back.views.stamps, scene.views.stamps[:, :k])
    for table, original in zip(back.features, scene.features, strict=True):
        assert table.space == original.space
        assert np.array_equal(table.vectors, original.vectors[:, :k])
        assert np.array_equal(table.lengths, original.lengths[:, :k])
    mine, theirs = (SceneQuery(s, ColorEncoder()).text("red") for s in (back, scene))
    assert [m.similarity for m in mine.matches] == [m.similarity for m in theirs.matches]


def test_thumbnails_have_the_headers_of_their_images():
    scene = make_scene()
    update = to_update(None, MapParts.of(scene), HEADER)
    seen = scene.views.stamps[scene.views.valid].tolist()
    expected = [stamps.header(f"camera_{stamp % 2}", stamp) for stamp in seen]
    assert [t.header for change in update.changed for t in change.thumbnails] == expected
    views = [to_views(scene, i, False, True) for i in range(len(scene))]
    assert [t.header for view in views for t in view.thumbnails] == expected
    assert through_messages(scene).camera_frames == scene.camera_frames


def test_instances_tell_whether_and_when_they_were_seen():
    scene = make_scene()
    views = replace(scene.views, stamps=scene.views.stamps.copy())
    views.stamps[1] = -1
    valid = scene.features[0].valid.copy()
    valid[1] = False
    tables = tuple(replace(t, valid=valid) for t in scene.features)
    thumbnails = (scene.thumbnails[0], (), *scene.thumbnails[2:])
    unseen = replace(scene, views=views, features=tables, thumbnails=thumbnails)
    message = to_instances(unseen, HEADER)
    assert message.header == HEADER and message.up.z == 1.0
    assert message.version == InstanceArray.VERSION
    seen, not_seen = message.instances[:2]
    stamps_ns = scene.views.stamps[0][scene.views.valid[0]]
    assert seen.state == Instance.CONFIRMED and seen.n_views == len(stamps_ns) > 1
    assert stamps.stamp_ns(seen.first_seen) == stamps_ns.min()
    assert stamps.stamp_ns(seen.last_seen) == stamps_ns.max()
    assert not_seen.state == Instance.TENTATIVE and not_seen.n_views == 0
    assert not_seen.first_seen == not_seen.last_seen == Time()


def test_overlapping_masks_survive():
    cloud = random_cloud(6)
    masks = InstanceMasks.from_lists([[0, 1, 2], [1, 2, 3], [2]], 6, [0.5, 1, 0.25], [0, 1, 0])
    ids = np.array([9, 4, 7])
    scene = Scene(1, cloud, masks, ids, np.array([0, 0, 1.0]), ViewTable.empty(3, 0), (),
                  ((),) * 3, ("a", "b", ""))
    message = to_cloud_of_instances(scene, "map")
    assert message.header == stamps.header("map", 0)
    assert message.width == 9 and [f.name for f in message.fields] == [
        "x", "y", "z", "rgb", "instance", "point"]
    back = through_messages(scene)
    assert back.ids.tolist() == [4, 7, 9] and back.labels == ("b", "", "a")
    assert [back.masks[i].tolist() for i in range(3)] == [[1, 2, 3], [2], [0, 1, 2]]
    assert back.masks.structure.tolist() == [True, False, False]


def test_a_space_says_how_its_encoder_is_made_again(scene):
    (table,) = scene.features
    space = FeatureSpace("any@1", 3, True, False, "a/b@1234", "clip", "whole-crop")
    told = replace(scene, features=(replace(table, space=space),))
    assert through_messages(told).features[0].space == space


def test_images_equal_those_of_cv_bridge():
    bridge = optional("cv_bridge").CvBridge()
    for encoding, shape, dtype in (
        ("rgb8", (9, 7, 3), np.uint8), ("mono8", (9, 7), np.uint8), ("16UC1", (9, 7), np.uint16)
    ):
        pixels = RNG.integers(0, 255, shape).astype(dtype)
        ours, theirs = (
            images.from_pixels(pixels, encoding, HEADER),
            bridge.cv2_to_imgmsg(pixels, encoding, HEADER),
        )
        assert isinstance(theirs, Image) and ours == theirs


def test_clouds_equal_those_of_sensor_msgs_py():
    point_cloud2 = optional("sensor_msgs_py.point_cloud2")
    cloud = random_cloud(100)
    message = clouds.from_cloud(cloud, HEADER)
    read = point_cloud2.read_points(message, ["x", "y", "z"], skip_nans=True)
    assert np.array_equal(np.stack([read[n] for n in "xyz"], 1), cloud.points)
    made = point_cloud2.create_cloud_xyz32(HEADER, cloud.points)
    assert np.array_equal(clouds.to_cloud(made).points, cloud.points)


def test_a_viewpoint_has_a_place_and_a_direction_if_there_is_an_orientation():
    message = PoseStamped(header=stamps.header("map", 0))
    message.pose.position.x = 2.0
    message.pose.orientation = Quaternion(x=0.0, y=0.0, z=1.0, w=0.0)
    viewpoint = poses.to_viewpoint(message, "map")
    assert viewpoint.position.tolist() == [2, 0, 0]
    np.testing.assert_allclose(viewpoint.forward, [-1, 0, 0], atol=1e-12)
    message.pose.orientation = Quaternion(x=0.0, y=0.0, z=0.0, w=0.0)
    assert poses.to_viewpoint(message, "map").forward is None
    assert poses.to_viewpoint(PoseStamped(), "map") is None


def test_a_viewpoint_in_another_frame_or_of_no_numbers_is_refused():
    message = PoseStamped(header=stamps.header("odom", 0))
    with pytest.raises(InputError, match="viewpoint in the frame map"):
        poses.to_viewpoint(message, "map")
    message.pose.position.y = float("nan")
    with pytest.raises(InputError, match="finite"):
        poses.to_viewpoint(message, "odom")

"""Updates of a map: what they make is what was sent, and what does not fit is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.scenes import make_scene
from om3d.msg import MapUpdate
from rclpy.serialization import deserialize_message, serialize_message

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.errors import InputError
from om3d_ros.conversions import stamps
from om3d_ros.conversions.map_parts import MapParts, View
from om3d_ros.conversions.map_updates import applied, to_update

HEADER = stamps.header("map", 12_000_000_345)
MAP_ID = "0" * 32


def parts(seed=0, **changes):
    return MapParts.of(replace(make_scene(seed), map_id=MAP_ID, **changes))


def sent(base, new):
    """The update as it arrives."""
    update = to_update(base, new, HEADER)
    return deserialize_message(serialize_message(update), MapUpdate)


def assert_same(a, b):
    assert (a.map_id, a.revision) == (b.map_id, b.revision) and np.allclose(a.up, b.up)
    assert np.array_equal(a.words, b.words) and list(a.instances) == list(b.instances)
    for one, other in zip(a.instances.values(), b.instances.values(), strict=True):
        assert np.array_equal(one.points, other.points) and one.views == other.views
        assert (one.label, one.label_probability, one.structure, one.score) == (
            other.label, other.label_probability, other.structure, other.score)


def changed_cloud(scene, rng):
    """A scene whose points went, came, moved and changed places, its masks with them."""
    n = len(scene.cloud)
    kept = rng.permutation(n)[: rng.integers(1, n + 1)]
    if rng.random() < 0.5:
        kept = np.sort(kept)
    points = np.concatenate([scene.cloud.points[kept], rng.normal(size=(7, 3))])
    colors = np.concatenate([scene.cloud.colors[kept], rng.integers(0, 256, (7, 3))])
    order = rng.permutation(len(points)) if rng.random() < 0.3 else np.arange(len(points))
    cloud = Cloud(points[order].astype(np.float32), colors[order].astype(np.uint8),
                  np.zeros((len(points), 3), np.float32))
    members = [rng.choice(len(points), rng.integers(1, len(points) + 1), replace=False)
               for _ in scene.ids]
    masks = InstanceMasks.from_lists(
        members, len(points), scene.masks.scores, scene.masks.structure
    )
    return replace(scene, cloud=cloud, masks=masks, revision=scene.revision + 1)


@pytest.mark.parametrize("seed", range(12))
def test_a_map_follows_its_updates(seed):
    rng = np.random.default_rng(seed)
    scene = replace(make_scene(seed), map_id=MAP_ID)
    held = applied(None, sent(None, MapParts.of(scene)))
    assert_same(held, MapParts.of(scene))
    for _ in range(4):
        before, scene = MapParts.of(scene), changed_cloud(scene, rng)
        other = replace(make_scene(int(rng.integers(1000))), map_id=MAP_ID)
        if rng.random() < 0.5:
            scene = replace(scene, views=other.views, features=other.features,
                            thumbnails=other.thumbnails, camera_frames=other.camera_frames)
        if rng.random() < 0.5:
            scene = replace(scene, ids=scene.ids + rng.integers(0, 2))
        held = applied(held, sent(before, MapParts.of(scene)))
        assert_same(held, MapParts.of(scene))
        assert_same(MapParts.of(held.scene()), held)


def test_nothing_that_is_as_it_was_is_sent():
    base = parts()
    update = to_update(base, replace(base, revision=base.revision + 1), HEADER)
    assert not update.changed and not update.removed and not update.points.width
    assert update.run_starts.tolist() == [0] and update.run_lengths.tolist() == [len(base.words)]
    assert len(serialize_message(update)) < 400


def test_of_an_instance_what_changed_is_sent():
    base, scene = parts(), replace(make_scene(), map_id=MAP_ID)
    jpegs = list(scene.thumbnails)
    jpegs[0] = (b"another", *jpegs[0][1:])
    labels = ("mug", *scene.labels[1:])
    masks = InstanceMasks.from_lists(
        [*(scene.masks[i] for i in range(3)), scene.masks[3][1:]], len(scene.cloud),
        scene.masks.scores, scene.masks.structure,
    )
    new = MapParts.of(replace(scene, thumbnails=tuple(jpegs), labels=labels, masks=masks))
    first, last = to_update(base, new, HEADER).changed
    assert (first.id, first.label) == (5, "mug") and not first.flipped
    assert first.views.tolist() == [-1, *range(1, len(jpegs[0]))]
    assert [bytes(t.data) for t in first.thumbnails] == [b"another"]
    assert [table.view_indices.tolist() for table in first.features] == [[0]]
    assert last.id == 8 and last.flipped.tolist() == [scene.masks[3][0]]
    assert not last.thumbnails and not last.features


def test_equal_points_are_told_apart():
    def twins(members):
        cloud = Cloud(np.ones((3, 3), np.float32), np.zeros((3, 3), np.uint8),
                      np.zeros((3, 3), np.float32))
        return MapParts.of(replace(
            Scene.empty(1, MAP_ID), cloud=cloud, masks=InstanceMasks.from_lists([members], 3),
            ids=np.array([1]), labels=("",), thumbnails=((),),
            views=replace(Scene.empty().views, stamps=np.zeros((1, 0), np.int64),
                          pixels=np.zeros((1, 0), np.int32),
                          boxes=np.zeros((1, 0, 4), np.int32)),
        ))

    base = twins([0, 1])
    new = replace(twins([2]), revision=2, words=base.words.copy())
    assert_same(applied(base, sent(base, new)), new)


@pytest.mark.parametrize("count", [0, 5])
def test_maps_without_instances_survive(count):
    cloud = Cloud(np.ones((count, 3), np.float32), np.zeros((count, 3), np.uint8),
                  np.zeros((count, 3), np.float32))
    bare = replace(Scene.empty(2, MAP_ID), cloud=cloud, masks=InstanceMasks.empty(count))
    got = applied(None, sent(None, MapParts.of(bare)))
    assert_same(got, MapParts.of(bare))
    assert len(got.scene()) == 0 and got.is_empty == (count == 0)
    full = parts()
    assert_same(applied(full, sent(full, replace(got, revision=9))), replace(got, revision=9))


def later(update, **fields):
    for name, value in fields.items():
        setattr(update, name, value)


HARMS = {
    "version": lambda u: later(u, version=2),
    "map": lambda u: later(u, map_id="1" * 32),
    "base": lambda u: later(u, base=u.base + 1),
    "crc32": lambda u: later(u, crc32=u.crc32 ^ 1),
    "runs": lambda u: u.run_lengths.append(1),
    "run beyond": lambda u: u.run_starts.__setitem__(0, 10**6),
    "endless run": lambda u: u.run_lengths.__setitem__(0, 2**32 - 1),
    "fresh": lambda u: later(u, run_starts=[u.FRESH], run_lengths=[2**32 - 1]),
    "fields": lambda u: u.points.fields.pop(),
    "moved point": lambda u: u.points.data.__setitem__(5, u.points.data[5] ^ 1),
    "removed": lambda u: later(u, removed=[77]),
    "id": lambda u: later(u.changed[0], id=0),
    "ids": lambda u: u.changed.reverse(),
    "flipped beyond": lambda u: u.changed[0].flipped.append(10**6),
    "flipped": lambda u: u.changed[0].flipped.reverse(),
    "view": lambda u: u.changed[0].views.__setitem__(0, 3),
    "view below": lambda u: u.changed[0].views.__setitem__(0, -2),
    "thumbnails": lambda u: u.changed[0].thumbnails.pop(),
    "words without views": lambda u: setattr(u.changed[0], "words", ["a"] * 99),
    "words of none": lambda u: (
        setattr(u.changed[0], "words", ["Milk"]),
        setattr(u.changed[0], "word_confidences", [0.5]),
        setattr(u.changed[0], "word_views", [77]),
    ),
    "words that are none": lambda u: (
        setattr(u.changed[0], "words", [""]),
        setattr(u.changed[0], "word_confidences", [0.5]),
        setattr(u.changed[0], "word_views", [0]),
    ),
    "detections without views": lambda u: setattr(u.changed[0], "detections", ["a"] * 99),
    "detections of none": lambda u: (
        setattr(u.changed[0], "detections", ["chair"]),
        setattr(u.changed[0], "detection_confidences", [0.5]),
        setattr(u.changed[0], "detection_views", [77]),
    ),
    "features of none": lambda u: u.changed[0].features[0].view_indices.__setitem__(0, 9),
    "dim": lambda u: later(u.changed[0].features[0], dim=2),
    "lengths": lambda u: u.changed[0].features[0].lengths.pop(),
    "space": lambda u: later(u.changed[0].features[0], space=""),
    "nan": lambda u: u.changed[0].features[0].data.__setitem__(0, float("nan")),
}


@pytest.mark.parametrize(
    ("harm", "whole"), [(h, w) for h in HARMS for w in (True, False) if (h, w) != ("map", True)]
)
def test_what_does_not_fit_is_refused(harm, whole):
    base = None if whole else parts(seed=1, revision=1)
    update = sent(base, parts(revision=2))
    assert update.changed[0].thumbnails and update.points.width
    applied(base, update)
    HARMS[harm](update)
    with pytest.raises(InputError):
        applied(base, update)


def test_tables_that_would_not_fit_in_memory_are_refused():
    wide = FeatureSpace("wide@1", 10**7, True, False)
    view = View(1, "", b"", {wide: (b"\0" * 4 * wide.dim, 1.0)})
    good, many = parts(), {}
    for name in range(1, 101):
        many[name] = replace(good.instances[5], views=(view,) if name == 1 else ())
    with pytest.raises(InputError, match="tables of at most"):
        replace(good, instances=many).scene()


def test_scenes_that_cannot_be_are_refused():
    good = parts()
    for name, wrong in (("map_id", "kitchen"), ("up", np.array([np.nan, 0, 1]))):
        with pytest.raises(InputError):
            replace(good, **{name: wrong}).scene()
    (first, *_), empty = good.instances, np.zeros(0, np.int32)
    instances = {**good.instances, first: replace(good.instances[first], points=empty)}
    with pytest.raises(InputError, match="point in every mask"):
        replace(good, instances=instances).scene()

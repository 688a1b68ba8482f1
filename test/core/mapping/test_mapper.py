"""The mapper: any order, any number of refreshes, nothing computed twice, nothing lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.small_mapper import SETTINGS, assert_same_content, mapper
from helpers.worlds import fused, tabletop

from om3d_core.data.cloud import Cloud
from om3d_core.data.keyframe import Keyframe
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import CanceledError, EmptyMapError, InputError, UnusableFrameError
from om3d_core.mapping.crops import cut, multi_level_boxes, snap_box
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.progress import Job
from om3d_core.query.aggregation import mean_crop_features
from om3d_core.settings import build


@pytest.fixture(scope="module")
def frames():
    return tabletop(10)


@pytest.fixture(scope="module")
def cloud(frames):
    return fused(frames, 0.02)


class NoProposer:
    """Finds nothing."""

    def propose(self, cloud, job, up):
        return InstanceMasks.empty(len(cloud))


@pytest.mark.parametrize("given_cloud", [True, False])
@pytest.mark.parametrize("fade", [0.0, 0.8])
def test_order_and_refreshes_do_not_matter(frames, cloud, given_cloud, fade):
    settings = build(MapSettings, {
        "fusion.voxel_m": 0.03, "views.top_k": 3, "crops.fade": fade, "views.min_pixels": 10})
    scenes = []
    shuffled = (4, 0, 9, 2, 7, 1, 8, 3, 6, 5)
    for order, every in ((range(10), 10), (range(9, -1, -1), 10), (shuffled, 3)):
        m = mapper(settings)
        if given_cloud:
            m.set_cloud(cloud)
        for count, i in enumerate(order, start=1):
            assert m.add_frame(frames[i])
            if count % every == 0:
                m.refresh()
        scenes.append(m.refresh())
    for other in scenes[1:]:
        assert_same_content(scenes[0], other)


def test_an_idle_refresh_does_nothing(frames, cloud):
    m = mapper()
    m.set_cloud(cloud)
    for frame in frames:
        m.add_frame(frame)
    scene = m.refresh()
    encoded = m.counts.crops_encoded
    assert encoded > 0 and m.refresh() is scene
    m.add_frame(frames[0])
    assert m.refresh() is scene and m.counts.crops_encoded == encoded


def test_new_frames_on_a_given_cloud_propose_nothing_and_encode_only_what_is_new(frames, cloud):
    encoder, proposer = ColorEncoder(), BoxProposer()
    m = Mapper(SETTINGS, proposer, [encoder])
    m.set_cloud(cloud)
    for frame in frames[:9]:
        m.add_frame(frame)
    first = m.refresh()
    before = encoder.n_crops
    m.add_frame(frames[9])
    second = m.refresh()
    new = [set(b[b >= 0]) - set(a) for a, b in zip(first.views.stamps, second.views.stamps,
                                                   strict=True)]
    changed = sum(map(len, new))
    assert proposer.n_calls == 1 and second.ids.tolist() == first.ids.tolist()
    assert encoder.n_crops - before <= changed * SETTINGS.crops.levels
    assert second.revision == first.revision + 1


def test_a_second_cloud_before_any_frame_replaces_the_first(cloud):
    m = mapper()
    m.set_cloud(cloud)
    first = m.refresh()
    again = Cloud(cloud.points[::2], cloud.colors[::2], cloud.normals[::2])
    m.set_cloud(again)
    second = m.refresh()
    assert second.cloud is again and second.revision == first.revision + 1
    assert second.ids.tolist() == first.ids.tolist() and m.refresh() is second


def test_ids_stay_when_the_cloud_is_fused_anew(frames):
    m = mapper()
    for frame in frames[:6]:
        m.add_frame(frame)
    first = m.refresh()
    for frame in frames[6:]:
        m.add_frame(frame)
    second = m.refresh()
    assert first.cloud is not second.cloud
    assert first.ids.tolist() == second.ids.tolist() == [1, 2, 3, 4]


def test_a_canceled_refresh_leaves_the_old_scene_and_loses_nothing(frames, cloud):
    whole = mapper()
    whole.set_cloud(cloud)
    for frame in frames:
        whole.add_frame(frame)
    m = mapper()
    m.set_cloud(cloud)
    for frame in frames[:5]:
        m.add_frame(frame)
    old = m.refresh()
    for frame in frames[5:]:
        m.add_frame(frame)
    for steps in range(0, 12, 3):
        budget = iter(range(steps))
        with pytest.raises(CanceledError):
            m.refresh(Job(canceled=lambda left=budget: next(left, None) is None))
        assert m.scene is old
    assert_same_content(m.refresh(), whole.refresh())


def test_nothing_to_map_is_an_error_and_clear_starts_anew(frames):
    m = mapper()
    with pytest.raises(EmptyMapError):
        m.refresh()
    m.add_frame(frames[0])
    m.refresh()
    m.clear()
    assert m.scene is None and m.n_keyframes == 0
    with pytest.raises(EmptyMapError):
        m.refresh()


def test_the_revision_counts_changes_over_clearings_and_loads(frames):
    m = mapper()
    assert m.revision == 0
    m.add_frame(frames[0])
    first = m.refresh()
    assert m.revision == first.revision == 1
    m.refresh()
    assert m.revision == 1
    m.clear()
    assert m.revision == 2
    low, high = (m.load(replace(first, revision=r)).revision for r in (1, 7))
    assert (low, high, m.revision, m.scene.revision) == (3, 7, 7, 7)
    m.add_frame(frames[0])
    assert m.refresh().revision == m.revision == 8


def test_a_map_keeps_its_id_until_another_begins(frames):
    m = mapper()
    ids = [m.map_id]
    m.add_frame(frames[0])
    first = m.refresh()
    m.add_frame(frames[6])
    assert m.refresh().map_id == first.map_id == m.map_id == ids[0]
    m.clear()
    ids.append(m.map_id)
    ids += [m.load(first).map_id, m.load(first).map_id, mapper().map_id]
    assert m.refresh().map_id == m.map_id == ids[3]
    assert len(set(ids)) == len(ids) and all(len(bytes.fromhex(i)) == 16 for i in ids)


def test_views_tell_the_frames_of_their_cameras(frames):
    """A camera may be unknown; what a camera saw that is no view is of no interest."""
    names = ["left", "", "right"]
    m = mapper()
    for i, frame in enumerate(frames):
        m.add_frame(replace(frame, camera_frame=names[i % 3]))
    scene = m.refresh()
    seen = set(scene.views.stamps[scene.views.valid].tolist())
    expected = {f.stamp_ns: names[i % 3] for i, f in enumerate(frames) if f.stamp_ns in seen}
    assert scene.camera_frames == {stamp: name for stamp, name in expected.items() if name}
    assert len(set(scene.camera_frames.values())) == 2


def test_the_revision_rises_where_no_instance_is_found(frames):
    m = Mapper(SETTINGS, NoProposer(), [ColorEncoder()])
    for count, frame in enumerate(frames[:2], 1):
        m.add_frame(frame)
        scene = m.refresh()
        assert (len(scene), scene.revision) == (0, count)


def test_an_empty_cloud_is_used_as_it_is(frames):
    m = Mapper(SETTINGS, NoProposer(), [ColorEncoder()])
    m.set_cloud(Cloud.empty())
    m.add_frame(frames[0])
    assert len(m.refresh().cloud) == 0


def test_ids_continue_from_a_loaded_map(frames):
    m = mapper()
    for frame in frames:
        m.add_frame(frame)
    saved = m.refresh()
    again = mapper()
    loaded = again.load(saved)
    assert again.refresh() is loaded
    for frame in frames:
        again.add_frame(frame)
    assert again.refresh().ids.tolist() == saved.ids.tolist()


def test_the_features_tell_the_boxes_apart(frames):
    m = mapper()
    for frame in frames:
        m.add_frame(frame)
    scene = m.refresh()
    vectors = scene.features[0].vectors[:, 0]
    texts = ColorEncoder().encode_texts(["red", "green", "blue"])["color@1"]
    assert (vectors @ texts.T).argmax(axis=0).tolist() == [1, 2, 3]


class WithEmpty(BoxProposer):
    def propose(self, cloud, job, up=None):
        masks = super().propose(cloud, job, up)
        members = [masks[0], np.zeros(0, np.int64), *(masks[i] for i in range(1, len(masks)))]
        return InstanceMasks.from_lists(members, masks.n_points)


def test_a_proposed_mask_without_points_is_no_instance(frames, cloud):
    """Its box and center could not be told, so that nothing could be published."""
    scenes = []
    for proposer in (WithEmpty(), BoxProposer()):
        mapper = Mapper(SETTINGS, proposer, [ColorEncoder()])
        mapper.set_cloud(cloud)
        mapper.add_frame(frames[0])
        scenes.append(mapper.refresh())
    assert len(scenes[0]) == len(scenes[1]) == len(scenes[0].boxes) > 0


def test_all_crops_of_an_instance_can_be_pooled(frames):
    """As OpenMask3D pools them; worked out here from the frames and the boxes of the views."""
    m = mapper()
    for frame in frames:
        m.add_frame(frame)
    quality = SETTINGS.keyframes.jpeg_quality
    by_stamp = {f.stamp_ns: Keyframe.of(f, 0, quality).frame() for f in frames}
    scene = m.refresh()
    pooled = mean_crop_features(scene.features[0])
    for i in range(len(scene)):
        crops = []
        for stamp, box in zip(scene.views.stamps[i], scene.views.boxes[i], strict=True):
            if stamp >= 0:
                rgb = by_stamp[stamp].rgb
                height, width = rgb.shape[:2]
                snapped = snap_box(box, SETTINGS.crops)
                crops += cut(rgb, multi_level_boxes(snapped, width, height, SETTINGS.crops))
        rows = ColorEncoder().encode_images(crops)["color@1"]
        mean = rows.mean(axis=0)
        np.testing.assert_allclose(pooled[i], mean / np.linalg.norm(mean), atol=1e-6)


def spoiled(frame, kind):
    """A frame a moment before ``frame`` that shows nothing of the place, or little."""
    rgb = {"black": 0, "dark": frame.rgb // 4}.get(kind, frame.rgb)
    depth = np.float32(0) if kind == "depthless" else frame.depth
    return replace(
        frame, rgb=np.broadcast_to(rgb, frame.rgb.shape).astype(np.uint8),
        depth=np.broadcast_to(depth, frame.depth.shape), stamp_ns=frame.stamp_ns - 33_000_000,
    )


@pytest.mark.parametrize("kind", ["black", "dark", "depthless"])
@pytest.mark.parametrize("before", [True, False])
def test_a_bad_frame_beside_each_good_one_changes_nothing(frames, kind, before):
    clean, mixed = mapper(), mapper()
    for frame in frames:
        clean.add_frame(frame)
        pair = [spoiled(frame, kind), frame]
        for each in pair if before else reversed(pair):
            try:
                mixed.add_frame(each)
            except UnusableFrameError:
                assert kind != "dark"
    assert_same_content(clean.refresh(), mixed.refresh())


def test_a_camera_beyond_ten_kilometers_is_no_frame(frames):
    pose = frames[0].map_from_camera.copy()
    pose[0, 3] = 20_000.0
    with pytest.raises(InputError, match="within 10 km of the origin of the map frame, got 20000"):
        replace(frames[0], map_from_camera=pose)


def test_a_cloud_in_millimeters_is_refused_and_changes_nothing(frames, cloud):
    m = mapper()
    m.set_cloud(cloud)
    before = m.refresh()
    large = replace(cloud, points=cloud.points * 1000)
    with pytest.raises(InputError, match="cloud in meters .* millimeters"):
        m.set_cloud(large)
    assert m.refresh() is before

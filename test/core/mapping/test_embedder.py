"""The embedder: a crop is encoded once, a view's feature is the mean of its crops."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers.doubles import ColorEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.tables import ViewTable
from om3d_core.errors import CanceledError
from om3d_core.mapping import view_memory
from om3d_core.mapping.crops import CropSettings, cut, multi_level_boxes
from om3d_core.mapping.embedder import CROPS_A_BATCH, THUMBNAIL_SIDE_PX, Embedder
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.pose_cells import KeyframeSettings
from om3d_core.mapping.view_memory import ViewMemory
from om3d_core.mapping.visibility import VisibilitySettings
from om3d_core.progress import Job

WIDTH, HEIGHT, N_FRAMES, N_INSTANCES = 64, 48, 5, 3
CAMERA = Intrinsics(60.0, 60.0, 31.5, 23.5, WIDTH, HEIGHT)
ONE = CropSettings(levels=1, snap=0.0)


UP = np.array([0.0, -1.0, 0.0])


def make_frames():
    """Frames of random colors a meter before a wall, each from a pose of its own."""
    store = KeyframeStore(KeyframeSettings(step_m=0.0))
    for i in range(N_FRAMES):
        rgb = np.random.default_rng(i).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
        assert store.add(Frame(rgb, depth, CAMERA, np.eye(4), i))
    return store


FRAMES = make_frames()
# Instance i is the points of one column of pixels, 16 apart, as each frame sees them.
COLUMNS = [(16 * i + 8, row) for i in range(N_INSTANCES) for row in range(4, HEIGHT, 4)]
POINTS = np.array([((u - 31.5) / 60, (v - 23.5) / 60, 1.0) for u, v in COLUMNS], np.float32)
CLOUD = Cloud(POINTS, np.zeros((len(POINTS), 3), np.uint8), np.zeros((len(POINTS), 3), np.float32))
MASKS = InstanceMasks.from_lists(np.split(np.arange(len(POINTS)), N_INSTANCES), len(POINTS))


def views(*rows):
    """A table of rows of (stamp, box); an instance a row."""
    k = max(map(len, rows), default=1) or 1
    table = ViewTable.empty(len(rows), k)
    for i, row in enumerate(rows):
        for rank, (stamp, box) in enumerate(row):
            table.stamps[i, rank], table.boxes[i, rank] = stamp, box
    return table


def embedder(encoder, crops=ONE, segmenter=None):
    """An embedder and what it remembers of a map."""
    return Embedder([encoder], crops, VisibilitySettings(), segmenter), ViewMemory()


def encode(engine, table, job=None, frames=FRAMES, masks=MASKS):
    made, memory = engine
    return made.encode(table, frames, CLOUD, masks, UP, memory, job or Job())


boxes = st.builds(
    lambda x, y, w, h: (x, y, min(x + w, WIDTH), min(y + h, HEIGHT)),
    st.integers(0, WIDTH - 2), st.integers(0, HEIGHT - 2), st.integers(1, 30), st.integers(1, 30),
)
rows = st.lists(st.tuples(st.integers(0, N_FRAMES - 1), boxes), max_size=3)
tables = st.lists(rows, min_size=N_INSTANCES, max_size=N_INSTANCES)


@given(tables, st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_a_feature_is_the_unit_mean_of_the_crops_of_its_view(content, levels):
    crops = CropSettings(levels=levels, expansion_ratio=0.3, snap=0.0)
    encoder, table = ColorEncoder(), views(*content)
    got = encode(embedder(encoder, crops), table)
    (features,) = got.tables
    assert np.array_equal(features.valid, table.valid)
    for i, row in enumerate(content):
        assert len(got.thumbnails[i]) == len(row)
        for rank, (stamp, box) in enumerate(row):
            around = multi_level_boxes(np.array(box, np.int32), WIDTH, HEIGHT, crops)
            (space,) = encoder.encode_images(cut(FRAMES[stamp].rgb, around)).values()
            mean = space.mean(axis=0)
            length = np.linalg.norm(mean)
            np.testing.assert_allclose(features.lengths[i, rank], length, atol=1e-5)
            np.testing.assert_allclose(features.vectors[i, rank], mean / length, atol=1e-5)
    assert not features.vectors[~table.valid].any()


@given(tables, tables)
@settings(max_examples=40, deadline=None)
def test_what_was_encoded_is_not_encoded_again(first, second):
    encoder = ColorEncoder()
    engine = embedder(encoder)
    seen = [{cell for row in content for cell in row} for content in (first, second)]
    assert encode(engine, views(*first)).n_encoded == encoder.n_crops == len(seen[0])
    encoder.n_crops = 0
    again = encode(engine, views(*second))
    assert again.n_encoded == encoder.n_crops == len(seen[1] - seen[0])
    fresh = encode(embedder(ColorEncoder()), views(*second))
    assert np.array_equal(again.tables[0].vectors, fresh.tables[0].vectors)
    assert again.thumbnails == fresh.thumbnails
    encoder.n_crops = 0
    assert encode(engine, views(*second)).n_encoded == encoder.n_crops == 0
    forgetful = engine[0], ViewMemory()
    assert encode(forgetful, views(*first)).n_encoded == encoder.n_crops == len(seen[0])


def test_crops_of_a_camera_on_its_side_are_turned_upright():
    """Up to the right in the image: a quarter turn counterclockwise."""

    class Seen(ColorEncoder):
        def encode_images(self, crops):
            self.crops = crops
            return super().encode_images(crops)

    box, sideways = (3, 5, 20, 30), np.array([1.0, 0.0, 0.0])
    for upright in (True, False):
        encoder = Seen()
        made, memory = embedder(encoder, CropSettings(levels=1, snap=0.0, upright=upright))
        made.encode(views([(0, box)], [], []), FRAMES, CLOUD, MASKS, sideways, memory, Job())
        plain = FRAMES[0].rgb[5:30, 3:20]
        assert np.array_equal(encoder.crops[0], np.rot90(plain) if upright else plain)
        assert made.encode(
            views([(0, box)], [], []), FRAMES, CLOUD, MASKS, sideways, memory, Job()
        ).n_encoded == 0
        turned = made.encode(views([(0, box)], [], []), FRAMES, CLOUD, MASKS, UP, memory, Job())
        assert turned.n_encoded == int(upright)


def test_batches_are_bounded_and_their_borders_do_not_show():
    """Every box of a grid in every frame: more crops than a batch holds."""

    class Sized(ColorEncoder):
        batches = []

        def encode_images(self, crops):
            self.batches.append(len(crops))
            return super().encode_images(crops)

    crops = CropSettings(levels=3, snap=0.0)
    cells = [(s, (x, y, x + 8, y + 8)) for s in range(N_FRAMES)
             for x in range(0, 56, 8) for y in range(0, 40, 8)]
    table = views(*(cells[i::N_INSTANCES] for i in range(N_INSTANCES)))
    got = encode(embedder(Sized(), crops), table)
    assert sum(Sized.batches) == got.n_encoded == 3 * len(cells)
    assert len(Sized.batches) > 5 and max(Sized.batches) < CROPS_A_BATCH + crops.levels
    alone = encode(embedder(ColorEncoder(), crops), views(cells[:1]))
    np.testing.assert_array_equal(alone.tables[0].vectors[0, 0], got.tables[0].vectors[0, 0])


def test_of_what_is_no_longer_used_the_most_recent_is_remembered(monkeypatch):
    monkeypatch.setattr(view_memory, "REMEMBERED", 3)
    encoder = ColorEncoder()
    engine = embedder(encoder)
    for x in range(10):
        encode(engine, views([(0, (x, 0, x + 9, 9))], [(0, (x, 9, x + 9, 18))], []))
    assert encoder.n_crops == 20
    for x, encoded in ((9, 0), (8, 0), (7, 0), (2, 2)):
        encoder.n_crops = 0
        encode(engine, views([(0, (x, 0, x + 9, 9))], [(0, (x, 9, x + 9, 18))], []))
        assert encoder.n_crops == encoded, x


def test_crops_of_a_frame_that_is_gone_are_forgotten():
    store, encoder = make_frames(), ColorEncoder()
    engine, table = embedder(encoder), views([(0, (0, 0, 9, 9)), (1, (0, 0, 9, 9))], [], [])
    encode(engine, table, frames=store)
    store.remove(0)
    encode(engine, views([(1, (0, 0, 9, 9))], [], []), frames=store)
    store.add(FRAMES[0])
    encode(engine, table, frames=store)
    assert encoder.n_crops == 3


def test_a_box_that_changes_a_little_shows_the_same():
    encoder = ColorEncoder()
    engine = embedder(encoder, CropSettings(levels=1))
    first = encode(engine, views([(0, (1, 2, 50, 45))], [], []))
    again = encode(engine, views([(0, (0, 3, 49, 46))], [], []))
    assert (first.n_encoded, again.n_encoded) == (1, 0)
    assert np.array_equal(first.tables[0].vectors, again.tables[0].vectors)
    assert encode(engine, views([(0, (9, 2, 50, 45))], [], [])).n_encoded == 1


def test_a_cancel_keeps_what_was_encoded():
    encoder = ColorEncoder()
    engine = embedder(encoder)
    cells = [(0, (x, y, x + 8, y + 8)) for x in range(48) for y in range(2)]
    table = views(cells, [], [])
    steps = iter(range(CROPS_A_BATCH + 5))
    with pytest.raises(CanceledError):
        encode(engine, table, Job(canceled=lambda: next(steps, None) is None))
    before, encoder.n_crops = encoder.n_crops, 0
    encode(engine, table)
    assert before >= CROPS_A_BATCH and before + encoder.n_crops == len(cells)


def test_a_cancel_between_views_keeps_what_the_last_scene_used():
    encoder = ColorEncoder()
    engine = embedder(encoder)
    old = [[(0, (0, 0, 9, 9))], [(1, (0, 0, 9, 9))], []]
    encode(engine, views(*old))
    steps = iter(range(2))
    with pytest.raises(CanceledError):
        encode(engine, views([(2, (0, 0, 9, 9))], *old[:1], [(4, (1, 1, 9, 9))]),
               Job(canceled=lambda: next(steps, None) is None))
    encoder.n_crops = 0
    assert encode(engine, views(*old)).n_encoded == encoder.n_crops == 0


def test_progress_counts_the_views():
    told = []
    encode(embedder(ColorEncoder()), views([(0, (0, 0, 9, 9)), (1, (0, 0, 9, 9))], [], []),
           Job(lambda *step: told.append(step)))
    assert told == [("encode", 1, 2), ("encode", 2, 2)]


def test_several_encoders_have_a_table_each_in_their_order():
    class Second(ColorEncoder):
        def __init__(self):
            super().__init__()
            self.spaces = (FeatureSpace("second@1", 3, True, True),)

    engine = Embedder([ColorEncoder(), Second()], ONE, VisibilitySettings()), ViewMemory()
    table = views([(0, (0, 0, 9, 9))], [], [])
    got = encode(engine, table)
    assert [t.space.name for t in got.tables] == ["color@1", "second@1"]
    assert got.n_encoded == 1 and all(np.array_equal(t.valid, table.valid) for t in got.tables)


def test_a_map_without_views_or_instances():
    encoder = ColorEncoder()
    got = encode(embedder(encoder), ViewTable.empty(2, 3))
    assert got.tables[0].vectors.shape == (2, 3, 3) and not got.tables[0].valid.any()
    assert got.thumbnails == ((), ()) and got.n_encoded == encoder.n_crops == 0
    assert encode(embedder(encoder), ViewTable.empty(0, 1)).thumbnails == ()


def test_thumbnails_show_the_thing_and_its_surroundings_and_are_small():
    wide = Frame(np.full((480, 640, 3), (200, 30, 30), np.uint8), np.ones((480, 640), np.float32),
                 Intrinsics(500.0, 500.0, 319.5, 239.5, 640, 480), np.eye(4), 0)
    store = KeyframeStore(KeyframeSettings())
    store.add(wide)
    table = views([(0, (100, 100, 400, 200)), (0, (0, 0, 10, 10))])
    got = encode(embedder(ColorEncoder()), table, frames=store)
    large, small = (cv2.imdecode(np.frombuffer(b, np.uint8), 1) for b in got.thumbnails[0])
    assert large.shape == (round(160 * THUMBNAIL_SIDE_PX / 480), THUMBNAIL_SIDE_PX, 3)
    assert small.shape == (13, 13, 3)
    assert np.abs(large[..., ::-1].astype(int) - (200, 30, 30)).max() < 8


class Grower:
    """A segmenter whose mask is the left half of the image; None where it is told nothing."""

    def __init__(self, answers=True):
        self.calls, self._answers = [], answers

    def segment(self, rgb, pixels, seeds):
        self.calls.append((pixels, seeds))
        mask = np.zeros(rgb.shape[:2], bool)
        mask[:, : WIDTH // 2] = True
        return [mask if self._answers else None] * len(pixels)


def test_a_segmenter_gives_the_box_and_runs_once_a_frame():
    segmenter, encoder = Grower(), ColorEncoder()
    engine = embedder(encoder, segmenter=segmenter)
    table = views([(0, (6, 4, 11, 45))], [(0, (22, 4, 27, 45)), (1, (22, 4, 27, 45))], [])
    got = encode(engine, table)
    assert [len(pixels) for pixels, _ in segmenter.calls] == [2, 1]
    (pixels, seeds), _ = segmenter.calls
    assert [set((p % WIDTH).tolist()) for p in pixels] == [{8}, {24}]
    assert len(set(seeds)) == 2
    (expected,) = encoder.encode_images([FRAMES[0].rgb[:, : WIDTH // 2]]).values()
    for i in (0, 1):
        np.testing.assert_allclose(got.tables[0].vectors[i, 0], expected[0], atol=1e-6)
    encode(engine, table)
    assert len(segmenter.calls) == 2, "a frame with nothing new is not segmented"


def test_where_a_segmenter_has_no_mask_the_visible_points_decide():
    table = views([(0, (6, 4, 11, 45))], [], [])
    without = encode(embedder(ColorEncoder()), table)
    got = encode(embedder(ColorEncoder(), segmenter=Grower(answers=False)), table)
    np.testing.assert_array_equal(got.tables[0].vectors, without.tables[0].vectors)


def test_faded_crops_depend_on_which_points_are_seen():
    encoder = ColorEncoder()
    engine = embedder(encoder, CropSettings(levels=1, snap=0.0, fade=1.0, fade_radius_px=2))
    table = views([(0, (0, 0, WIDTH, HEIGHT))], [], [])
    first = encode(engine, table)
    other = MASKS.select(np.array([1, 0, 2]))
    second = encode(engine, table, masks=other)
    assert (first.n_encoded, second.n_encoded) == (1, 1)
    assert not np.array_equal(first.tables[0].vectors, second.tables[0].vectors)
    assert first.thumbnails == second.thumbnails, "thumbnails are not faded"

"""Names of instances: likely ones only, the same whoever stands beside, given ones for ever."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import COLORS, BoxProposer, ColorEncoder
from helpers.small_mapper import SETTINGS, assert_same_content, mapper
from helpers.worlds import BOXES, tabletop

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene_store import load_map, save_scene
from om3d_core.data.tables import FeatureTable
from om3d_core.data.words import Word
from om3d_core.mapping import names
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.name_evidence import NameFit
from om3d_core.mapping.names import SURE, Namer
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.vocabulary import NameSettings
from om3d_core.settings import build, values_of

UP = np.array([0.0, 0.0, 1.0])
NAMED = build(MapSettings, {
    **values_of(SETTINGS), "names.vocabulary": "red, green, blue", "names.min_probability": 0.9,
})  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OM3D_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def frames():
    return tabletop(10)


def table(*colors):
    """A feature a color, in the space of the ColorEncoder; None for no view."""
    rows = np.array([COLORS.get(c, (1, 1, 1)) for c in colors], np.float32).reshape(-1, 1, 3)
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    seen = np.array([c is not None for c in colors], bool)
    rows[~seen] = 0
    return FeatureTable.from_rows(
        ColorEncoder().spaces[0], rows, seen.astype(np.float32)[:, None]
    )


def objects(n, scores=None):
    cloud = Cloud(*(np.zeros((n, 3), t) for t in (np.float32, np.uint8, np.float32)))
    return cloud, InstanceMasks.from_lists([[i] for i in range(n)], n, scores=scores)


def named(*colors, **settings):
    namer = Namer([ColorEncoder()], NameSettings(**{"vocabulary": "red,green,blue", **settings}))
    return namer.name(*objects(len(colors)), UP, [table(*colors)])


def test_a_map_of_colored_boxes_names_them(frames):
    m = mapper(NAMED)
    for frame in frames:
        m.add_frame(frame)
    scene = m.refresh()
    colors = dict(zip(BOXES, scene.labels, strict=True))
    assert [colors[c] for c in ("red", "green", "blue")] == ["red", "green", "blue"]
    of_colors = scene.label_probabilities[1:]
    assert (of_colors >= 0.9).all() and (of_colors <= SURE).all()


def test_names_do_not_depend_on_history_and_survive_a_save(frames, tmp_path):
    at_once, slowly = mapper(NAMED), mapper(NAMED)
    for i, frame in enumerate(frames):
        at_once.add_frame(frame)
        slowly.add_frame(frames[-1 - i])
        if i % 4 == 1:
            slowly.refresh()
    a, b = at_once.refresh(), slowly.refresh()
    assert_same_content(a, b)
    save_scene(a, tmp_path, at_once.snapshot()[1])
    again = mapper(NAMED)
    loaded = again.load(*load_map(tmp_path))
    assert again.refresh() is loaded
    assert_same_content(a, loaded)


def test_given_names_stay_and_found_ones_do_not(frames):
    m = mapper(NAMED)
    for frame in frames[:9]:
        m.add_frame(frame)
    scene, keyframes = m.refresh(), m.snapshot()[1]
    given = np.array([0, 1, 0.5, 0], np.float32)
    labels = ("", "my mug", "wrong", "")
    m.load(replace(scene, labels=labels, label_probabilities=given), keyframes)
    m.add_frame(frames[9])
    after = m.refresh()
    assert after.labels[1:] == ("my mug", "green", "blue")
    assert after.label_probabilities[1] == 1


def test_other_names_are_found_once_a_map_is_loaded_with_another_vocabulary(frames):
    first = mapper(NAMED)
    for frame in frames:
        first.add_frame(frame)
    scene, keyframes = first.refresh(), first.snapshot()[1]
    second = mapper(build(MapSettings, {**values_of(NAMED), "names.enabled": False}))
    second.load(scene, keyframes)
    assert second.refresh().labels == ("",) * 4


def test_an_unlikely_name_is_none():
    found = named("red", "gray")
    assert found.labels == ("red", "")
    assert found.probabilities[1] == 0 < found.probabilities[0]
    assert named("gray", min_probability=0.3).labels != ("",)


def test_the_name_of_a_mask_that_is_hardly_a_whole_thing_is_unlikely():
    namer = Namer([ColorEncoder()], NameSettings(vocabulary="red, green", min_probability=0.6))
    names = namer.name(*objects(2, scores=[1.0, 0.5]), UP, [table("red", "red")])
    assert names.labels == ("red", "")
    lenient = Namer([ColorEncoder()], NameSettings(vocabulary="red, green", min_probability=0.1))
    half = lenient.name(*objects(2, scores=[1.0, 0.5]), UP, [table("red", "red")])
    assert half.probabilities[1] == pytest.approx(0.5 * half.probabilities[0], abs=1e-3)


def test_a_name_depends_on_no_other_instance():
    names = named("red", "blue", None, "green")
    assert names.labels == ("red", "blue", "", "green")
    for i, color in enumerate(("red", "blue", None, "green")):
        assert named(color).probabilities[0] == names.probabilities[i]


def test_without_instances_or_features_there_are_no_names():
    assert named().labels == ()
    picture_only = type("Eye", (), {"spaces": (FeatureSpace("eye@1", 3, False, True),)})()
    namer = Namer([picture_only], NameSettings())
    assert namer.name(*objects(2), UP, []).labels == ("", "")


@pytest.mark.parametrize("with_normals", [True, False])
@pytest.mark.parametrize("up", [UP, -UP, np.array([1.0, 0, 0])])
def test_structure_is_named_by_geometry(with_normals, up):
    rng = np.random.default_rng(0)
    flat = rng.uniform(0, 4, (50, 3)) * [1, 1, 0]
    wall = rng.uniform(0, 2.5, (50, 3)) * [1, 0, 1]
    axis = np.eye(3)[[2, 1, 2]]
    points, normals = np.concatenate([flat, wall, flat + [0, 0, 2.5]]), np.repeat(axis, 50, 0)
    if up[0]:
        points, normals = points[:, ::-1], normals[:, ::-1]
    cloud = Cloud(
        points.astype(np.float32), np.zeros((150, 3), np.uint8),
        np.ascontiguousarray(normals * with_normals, np.float32),
    )
    masks = InstanceMasks.from_lists(np.split(np.arange(150), 3), 150, structure=[True] * 3)
    names = Namer([], NameSettings()).name(cloud, masks, up, [])
    expected = ("floor", "wall", "ceiling")
    assert names.labels == (expected if up.sum() > 0 else expected[::-1])
    assert (names.probabilities > 0.5).all()
    assert Namer([], NameSettings(enabled=False)).name(cloud, masks, up, []).labels == ("",) * 3


def test_words_are_encoded_once_and_again_for_another_template_or_other_looks():
    words = [f"red {i}" for i in range(99)]

    class Counting(ColorEncoder):
        n_texts, shift, moved = 0, 0.0, ""

        def encode_texts(self, texts):
            self.n_texts += len(texts)
            rows = super().encode_texts(texts)
            moved = np.array([[t.startswith(self.moved) for t in texts]], np.float32).T
            return {name: matrix + moved * self.shift for name, matrix in rows.items()}

    def texts(shift, moved=""):
        encoder = Counting()
        encoder.shift, encoder.moved = np.float32(shift), moved
        settings = NameSettings(vocabulary=", ".join(words))
        Namer([encoder], settings).name(*objects(1), UP, [table("red")])
        return encoder.n_texts

    first, again = texts(0.0), texts(0.0)
    assert first == len(words) + again and again <= 20
    assert [texts(0.25), texts(0.25)] == [first, again]
    assert [texts(0.25, "red 4"), texts(0.25, "red 8")] == [first, first]


def test_what_an_instance_was_taken_for_counts(monkeypatch):
    monkeypatch.setattr(names, "fit_of", lambda space: NameFit(0.1, 0.5, "", seen=0.4))
    namer = Namer([ColorEncoder()], NameSettings(vocabulary="mug, laptop"))
    seen = namer.name(*objects(3), UP, [table("red", None, "red")], (),
                      [{"cup": 0.9}, {"cup": 0.9}, {"laptop": 0.9}])  # fmt: skip
    assert seen.labels == ("mug", "", "laptop")


def test_a_mapper_tells_what_its_detector_saw(frames, monkeypatch):
    class Cups:
        margin = 0.35

        def read(self, windows):
            return [(Word("cup", 0.9),)] * len(windows)

    monkeypatch.setattr(names, "fit_of", lambda space: NameFit(0.1, 0.6, "", seen=0.9))
    settings = build(MapSettings, {**values_of(SETTINGS), "names.vocabulary": "sofa, mug"})
    for detector, name in ((Cups(), "mug"), (None, "")):
        m = Mapper(settings, BoxProposer(), [ColorEncoder()], detector=detector)
        for frame in frames[:3]:
            m.add_frame(frame)
        assert m.refresh().labels[1:] == (name,) * 3


def test_what_may_be_one_of_several_kinds_is_called_by_what_they_are_kinds_of():
    things = "chair", "office chair", "folding chair", "red"
    settings = NameSettings(vocabulary=",".join(things), min_probability=0.4)
    found = Namer([ColorEncoder()], settings).name(*objects(1), UP, [table("gray")])
    assert found.labels == ("chair",) and found.probabilities[0] > 0.9

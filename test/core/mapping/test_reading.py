"""Words and detections of views: read once a window, whatever the history; saved, loaded, and kept
in order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.small_mapper import SETTINGS, assert_same_content
from helpers.worlds import rolled, tabletop

from om3d_core.data.scene_store import load_map, save_scene
from om3d_core.data.words import Word
from om3d_core.errors import CanceledError
from om3d_core.mapping.encode_again import encode_again
from om3d_core.mapping.gravity import GravitySettings
from om3d_core.mapping.mapper import Mapper
from om3d_core.progress import Job


class ColorReader:
    """Reads the strongest channel of the middle of a thing's box."""

    margin = 0.35

    def __init__(self):
        self.n_crops = 0

    def read(self, windows):
        self.n_crops += len(windows)
        return [self._one(window) for window in windows]

    def _one(self, window):
        x1, y1, x2, y2 = window.box.tolist()
        red, green, blue = window.rgb[(y1 + y2) // 2, (x1 + x2) // 2].astype(int)
        names = ((red, "RED"), (green, "GREEN"), (blue, "BLUE"))
        strength, name = max(names)
        return (Word(name, 0.75),) if strength > 1.4 * sorted((red, green, blue))[1] else ()


@pytest.fixture(scope="module")
def frames():
    return tabletop(8)


def mapper(reader, detector=None):
    return Mapper(SETTINGS, BoxProposer(), [ColorEncoder()], reader=reader, detector=detector)


@pytest.fixture(scope="module")
def mapped(frames):
    reader = ColorReader()
    m = mapper(reader, ColorReader())
    for frame in frames:
        m.add_frame(frame)
    return m, m.refresh(), reader.n_crops


def test_the_best_views_of_each_instance_are_read(mapped):
    _, scene, n_crops = mapped
    assert n_crops == int(scene.views.valid[:, :2].sum())
    texts = [{word.text for words in views for word in words} for views in scene.words]
    assert texts[1:] == [{"RED"}, {"GREEN"}, {"BLUE"}]
    assert not any(words for views in scene.words for words in views[2:])
    assert scene.detections == scene.words


def test_history_and_saves_do_not_matter_and_nothing_is_read_twice(mapped, frames, tmp_path):
    m, scene, _ = mapped
    slow = mapper(ColorReader(), ColorReader())
    for i, frame in enumerate(reversed(frames)):
        slow.add_frame(frame)
        if i == 4:
            slow.refresh()
    assert_same_content(slow.refresh(), scene)
    save_scene(scene, tmp_path, m.snapshot()[1])
    reader = ColorReader()
    again = mapper(reader, reader)
    again.load(*load_map(tmp_path))
    assert_same_content(again.scene, scene)
    assert again.refresh() is again.scene and reader.n_crops == 0
    again.add_frame(replace(frames[0], stamp_ns=10**12))
    again.refresh()
    assert reader.n_crops <= 8


def test_a_cancelled_reading_goes_on_where_it_was(frames):
    class Stops:
        def __call__(self, stage, done, total):
            if stage == "text" and done == 3:
                raise CanceledError("stop")

    reader = ColorReader()
    m = mapper(reader)
    for frame in frames:
        m.add_frame(frame)
    with pytest.raises(CanceledError):
        m.refresh(Job(Stops()))
    assert m.scene is None
    assert m.refresh().words[1][0] == (Word("RED", 0.75),)


def test_words_go_with_their_views_where_a_map_is_encoded_anew(mapped):
    m, scene, _ = mapped
    again = encode_again(scene, m.snapshot()[1], m._embedder, Job())
    assert (again.words, again.detections) == (scene.words, scene.detections)
    fewer = encode_again(scene, m.snapshot()[1][1:], m._embedder, Job())
    for i, stamps in enumerate(fewer.views.stamps.tolist()):
        for j, stamp in enumerate(stamps):
            old = np.flatnonzero(scene.views.stamps[i] == stamp)
            assert fewer.words[i][j] == (scene.words[i][old[0]] if stamp >= 0 else ())
    assert fewer.detections == fewer.words


def test_a_map_without_its_keyframes_keeps_the_words_of_old_views(mapped, frames):
    _, scene, _ = mapped
    m = mapper(ColorReader(), ColorReader())
    m.load(scene)
    m.add_frame(frames[0])
    for told in (m.refresh().words, m.refresh().detections):
        texts = [{word.text for words in views for word in words} for views in told]
        assert {"RED"} in texts and {"GREEN"} in texts


def test_without_a_reader_nothing_is_read(frames):
    m = mapper(None)
    for frame in frames:
        m.add_frame(frame)
    scene = m.refresh()
    assert not any(word for views in (*scene.words, *scene.detections) for word in views)


def test_windows_are_turned_upright_and_keep_the_thing_in_its_box(frames):
    """A camera on its side shows the same windows as one that is upright."""
    seen = {}

    class Looks(ColorReader):
        def read(self, windows):
            told = super().read(windows)
            for words, window in zip(told, windows, strict=True):
                seen.update((word.text, window) for word in words)
            return told

    def look(frame):
        seen.clear()
        settings = replace(SETTINGS, gravity=GravitySettings(up="0,0,1"))
        m = Mapper(settings, BoxProposer(), [ColorEncoder()], reader=Looks())
        m.add_frame(frame)
        m.refresh()
        return dict(seen)

    upright, sideways = look(frames[0]), look(rolled(frames[0]))
    assert set(upright) == set(sideways) == {"RED", "GREEN", "BLUE"}
    for color, window in upright.items():
        assert abs(np.subtract(window.rgb.shape, sideways[color].rgb.shape)).max() <= 8
        assert abs(window.box - sideways[color].box).max() <= 8
        height, width = window.rgb.shape[:2]
        assert width != height

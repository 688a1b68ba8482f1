"""Frames of a bag from the stamps of its images, and their images in order of recording."""

from __future__ import annotations

import numpy as np

from om3d_core.sources.bag.plan import UNREADABLE, collect, plan_frames
from om3d_core.streams.settings import SyncSettings

MS = 1_000_000


class Everywhere:
    """The camera is known at all times but those given."""

    def __init__(self, *unknown):
        self.unknown = unknown

    def at(self, stamp, settled=False):
        return None if stamp in self.unknown else np.eye(4)

    def clear(self):
        raise AssertionError("a recording forgets nothing")


def plan(colors, depths, *unknown, step=1, slop_s=0.02):
    stamps = [[t if t < 0 else t * MS for t in channel] for channel in (colors, depths)]
    poses = Everywhere(*(t * MS for t in unknown))
    return plan_frames(*stamps, SyncSettings(slop_s=slop_s), poses, step)


def numbers(planned):
    return [posed.messages for posed in planned.frames]


def test_every_image_has_its_place_or_its_reason():
    planned = plan([0, 100, UNREADABLE, 200, 300, 100, 400], [5, 105, 205, 395], 200)
    assert numbers(planned) == [(0, 0), (1, 1), (6, 3)]
    assert planned.lost == {"color unreadable": 1, "color repeated": 1, "depth missing": 1,
                            "pose missing": 1}
    assert planned.listed == 7 == len(planned.frames) + sum(planned.lost.values())


def test_the_order_of_recording_does_not_matter():
    hours = [n * 3_600_000 for n in range(5)]
    planned = plan([hours[k] for k in (4, 0, 3, 1, 2)], [hours[k] for k in (2, 1, 0, 4, 3)])
    assert numbers(planned) == [(1, 2), (3, 1), (4, 0), (2, 4), (0, 3)]


def test_a_step_counts_all_color_images():
    planned = plan([0, 100, 200, 300, 400], [0, 100, 200, 300, 400], step=2)
    assert numbers(planned) == [(0, 0), (2, 2), (4, 4)] and planned.listed == 3


def test_a_missing_depth_image_does_not_shift_the_others():
    depths = [n * 16 + 1 for n in range(200) if n % 50 != 7]
    planned = plan([n * 16 for n in range(200)], depths)
    assert len(planned.frames) == 196 and planned.lost == {"depth missing": 4}
    assert all(abs(color * 16 + 1 - depths[depth]) == 0 for color, depth in numbers(planned))


def test_thousands_of_images_take_no_time():
    stamps = list(range(0, 330_000, 33))
    assert len(plan(stamps, [t + 7 for t in stamps]).frames) == len(stamps)


def test_bodies_come_with_their_frames():
    planned = plan([0, 100, 200], [200, 100, 0])
    recorded = [(0, "c0"), (1, "d200"), (0, "c100"), (1, "d100"), (1, "d0"), (0, "c200")]
    found = [bodies for _, bodies in collect(planned.frames, recorded, 3)]
    assert found == [("c0", "d0"), ("c100", "d100"), ("c200", "d200")]
    assert [bodies for _, bodies in collect(planned.frames, recorded, 1)] == [
        None, ("c100", "d100"), ("c200", "d200")
    ]
    assert list(collect((), recorded, 1)) == []

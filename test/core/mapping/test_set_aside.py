"""What a refresh fails at is set aside, and the rest goes on."""

from __future__ import annotations

import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.small_mapper import SETTINGS, assert_same_content, mapper
from helpers.worlds import fused, tabletop

from om3d_core.errors import EmptyMapError, InputError
from om3d_core.mapping.fusion import Fuser
from om3d_core.mapping.mapper import Mapper


@pytest.fixture(scope="module")
def frames():
    return tabletop(10)


@pytest.fixture(scope="module")
def cloud(frames):
    return fused(frames, 0.02)


def test_a_frame_that_a_refresh_fails_at_is_set_aside(frames, monkeypatch):
    clean, m = mapper(), mapper()
    for frame in frames:
        m.add_frame(frame)
        if frame is not frames[3]:
            clean.add_frame(frame)
    integrate = Fuser.integrate

    def failing(self, frame, blocks):
        if frame.stamp_ns == frames[3].stamp_ns:
            raise RuntimeError("a hash table is full")
        integrate(self, frame, blocks)

    monkeypatch.setattr(Fuser, "integrate", failing)
    assert_same_content(m.refresh(), clean.refresh())
    stamp = frames[3].stamp_ns
    assert [str(fault) for fault in m.set_aside] == [
        f"the frame of stamp {stamp} ns was set aside: a hash table is full"
    ]
    assert m.refresh() is m.scene and len(m.set_aside) == 1


class Picky(BoxProposer):
    """Fails at clouds of fewer than 100 points."""

    def propose(self, cloud, job, up):
        if len(cloud) < 100:
            raise RuntimeError("too few points")
        return super().propose(cloud, job, up)


def test_a_cloud_that_a_refresh_fails_at_is_set_aside(frames, cloud):
    m = Mapper(SETTINGS, Picky(), [ColorEncoder()])
    for frame in frames[:5]:
        m.add_frame(frame)
    m.set_cloud(cloud)
    first = m.refresh()
    m.set_cloud(cloud.select(slice(10)))
    m.add_frame(frames[5])
    second = m.refresh()
    assert second.cloud is cloud and second.revision == first.revision + 1
    assert [str(f) for f in m.set_aside] == ["the cloud was set aside: too few points"]
    alone = Mapper(SETTINGS, Picky(), [ColorEncoder()])
    alone.set_cloud(cloud.select(slice(10)))
    with pytest.raises(EmptyMapError):
        alone.refresh()
    alone.add_frame(frames[0])
    assert len(alone.refresh()) > 0


class Fixed(BoxProposer):
    """Has masks over a number of points that no cloud here has."""

    def propose(self, cloud, job, up):
        raise InputError(f"expected masks over {len(cloud)} points")


def test_where_all_fails_it_is_told_what_the_cloud_failed_at(frames, cloud):
    m = Mapper(SETTINGS, Fixed(), [ColorEncoder()])
    m.add_frame(frames[0])
    m.set_cloud(cloud)
    with pytest.raises(InputError, match=f"over {len(cloud)} points"):
        m.refresh()

"""Recordings as people have them, end to end: read as the base that they were made from, or
refused with the first file, what it held and the cure."""

from __future__ import annotations

import re

import pytest
from helpers.cases import FAST, STEP, is_the_room, measured, write_base, write_case

from om3d_core.data.scene_store import load_scene

pytestmark = pytest.mark.slow
SAME = (
    "c03", "c04", "c07", "c16", "c17", "c19", "c20", "c22", "c23", "c24", "c25", "c37", "c40",
    "c41", "c43", "c44", "c53", "c54", "c55", "c56", "c59", "c60", "c61",
)  # fmt: skip
"""The frames of the base, written otherwise."""
LIKE = ("c32", "c34", "c36", "c46", "c52")
"""Turned, smaller, twice, or most of them."""
FEW = ("c47", "c49", "c50")
"""So few that they show a part of the room."""
CURED = {
    "c18": ("--folder.intrinsics", "292.5 292.5 159.75 119.75"),
    "c64": ("--folder.origin=500123.4,5300456.7,512.3",),
}
REFUSED = {
    "c05": r"depth/0\.png: .*got 8 bits",
    "c48": r"pose/0\.txt: .*NaN or infinity",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with the base scene, and the map of the frames that cases are made from."""
    folder = tmp_path_factory.mktemp("cases")
    write_base(folder, "--folder.step", STEP)
    return folder


@pytest.fixture
def mapped(shared_data, work):
    """The map of a case, and that of the base."""

    def run(name, *flags):
        out = work / "maps" / name
        path = write_case(work, shared_data, name)
        status, said, _ = measured("run", path, "-o", out, *flags, *FAST)
        assert status == 0, said
        return load_scene(out), load_scene(work / "maps/base")

    return run


def assert_same(found, base):
    assert is_the_room(found, base)
    assert len(found.cloud) == pytest.approx(len(base.cloud), rel=0.03)
    n_found, n_base = (int((~scene.masks.structure).sum()) for scene in (found, base))
    assert n_found == pytest.approx(n_base, rel=0.15)


@pytest.mark.parametrize("name", SAME)
def test_the_map_is_that_of_the_base(mapped, name):
    assert_same(*mapped(name))


@pytest.mark.parametrize("name", LIKE)
def test_the_room_is_that_of_the_base(mapped, name):
    assert is_the_room(*mapped(name))


@pytest.mark.parametrize("name", FEW)
def test_a_part_of_the_room_is_mapped(mapped, name):
    found, base = mapped(name)
    low, high = base.cloud.bounds()
    points = found.cloud.points
    assert len(points) > 1000
    assert ((points > low - 0.1) & (points < high + 0.1)).all(axis=1).mean() > 0.99


@pytest.mark.parametrize("name", CURED)
def test_what_lacks_something_is_read_with_its_flag(mapped, name):
    found, base = mapped(name, *CURED[name])
    assert_same(found, base)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_reason(shared_data, work, name):
    path = write_case(work, shared_data, name)
    status, said, _ = measured("run", path, "-o", work / "maps/no", *FAST)
    assert status == 2 and re.search(REFUSED[name], said), said

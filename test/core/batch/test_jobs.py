"""Names of scenes."""

from __future__ import annotations

from pathlib import Path

import pytest

from om3d_core.batch.jobs import scene_names
from om3d_core.errors import InputError


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/x/a", "/x/b.mcap", "c"], ["a", "b.mcap", "c"]),
        (["/x/a", "/y/a", "/y/b"], ["x-a", "y-a", "b"]),
        (["/d/1/iphone", "/d/2/iphone", "/e/2/iphone"], ["1-iphone", "d-2-iphone", "e-2-iphone"]),
        (["/a", "/x/a"], ["a", "x-a"]),
    ],
)
def test_a_name_is_as_long_as_it_must_be(paths, names):
    assert scene_names([Path(path) for path in paths]) == names


@pytest.mark.parametrize(
    ("paths", "message"),
    [(["/x/a", "/x/a/"], "different scenes, got x/a 2 times"),
     (["/x/a-b", "/y/a-b", "/x-a/b"], "")],
)  # fmt: skip
def test_scenes_that_cannot_be_told_apart_are_refused(paths, message):
    if message:
        with pytest.raises(InputError, match=message):
            scene_names([Path(path) for path in paths])
    else:
        assert len(set(scene_names([Path(path) for path in paths]))) == 3

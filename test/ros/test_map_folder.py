"""Names of maps stay below their root."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from om3d_core.errors import InputError
from om3d_ros.map_folder import map_folder


def test_plain_names(tmp_path):
    assert map_folder(str(tmp_path), "kitchen") == tmp_path / "kitchen"
    assert map_folder(str(tmp_path), "home/first floor") == tmp_path / "home" / "first floor"


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../x", "a/../../x", "/etc", "~", "~/x", ".hidden", "a/.hidden", "a\\..",
     "a\0b", "a\nb", "x" * 201, "家" * 86],
)
def test_names_that_climb_or_hide_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="name"):
        map_folder(str(tmp_path), name)


def test_symbolic_links_do_not_lead_out(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with pytest.raises(InputError, match="below"):
        map_folder(str(root), "link/map")


def test_links_in_a_circle_lead_nowhere(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert map_folder(str(tmp_path), "loop/map") == tmp_path / "loop" / "map"


@given(st.text(max_size=30))
def test_whatever_is_accepted_lies_below_the_root(tmp_path_factory, name):
    root = tmp_path_factory.getbasetemp() / "root"
    try:
        folder = map_folder(str(root), name)
    except InputError:
        return
    assert folder.resolve().is_relative_to(root.resolve()) and folder != root

"""What is said of spoiled recordings, and that the docs tell it."""

from __future__ import annotations

import re

import pytest
from helpers.recording_errors import PAGE, SPOILED, in_docs, said

from om3d_core.sources.layouts import REGISTRY

HELD = {
    "depth of 8 bits": "3 x depth unreadable, such as depth/0.png: .* got 8 bits",
    "poses in UTM": "--folder.origin=500123,5300456,513, or --folder.pose_units_per_m 1000",
    "a mirrored pose": "pose/0.txt: .* det -1",
    "one depth image missing": "1 x depth missing, such as that of color/1.png",
    "intrinsics of larger images": "--folder.intrinsics_width",
    "no intrinsics": "--folder.intrinsics",
    "two layouts in one folder": "--folder.layout nerfstudio",
}


@pytest.mark.parametrize("name", SPOILED)
def test_the_docs_tell_what_is_said(name, tmp_path):
    message = said(name, tmp_path)
    assert "scan" in message or " x " in message
    assert f"| {name} | `{message}` |" in in_docs().splitlines()


@pytest.mark.parametrize("name", HELD)
def test_file_content_and_cure_are_in_it(name, tmp_path):
    assert re.search(HELD[name], said(name, tmp_path)), said(name, tmp_path)


def test_every_layout_is_in_the_docs():
    page = PAGE.read_text()
    for name in REGISTRY:
        assert f"\n| `{name}` |" in page

"""A healthy scene to spoil, rendered once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers.worlds import tabletop, write_folder

from om3d_core.formats.text_matrix import read_matrix
from om3d_core.sources.folder import FolderSource


@pytest.fixture(scope="session")
def room(tmp_path_factory):
    """A scene folder of 14 views of 160x120."""
    return write_folder(tmp_path_factory.mktemp("doctor") / "room", tabletop(14, sway_m=0.5))


@pytest.fixture(scope="session")
def frames(room):
    """The views of the room."""
    return list(FolderSource(room))


@pytest.fixture
def spoiled(room, tmp_path):
    """Writes the room anew with poses, depth images, color or intrinsics put through functions."""

    def write(
        pose=lambda m: m, depth=lambda d: d, color=lambda c: c, k=lambda k: k, numbers=range(14)
    ):
        folder = tmp_path / "spoiled"
        for name in ("color", "depth", "pose"):
            (folder / name).mkdir(parents=True)
        for n in numbers:
            stored = cv2.imread(str(room / f"depth/{n}.png"), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(folder / f"depth/{n}.png"), depth(stored))
            cv2.imwrite(
                str(folder / f"color/{n}.png"), color(cv2.imread(str(room / f"color/{n}.png")))
            )
            stored = read_matrix(room / f"pose/{n}.txt", {(4, 4)})
            np.savetxt(folder / f"pose/{n}.txt", pose(stored))
        np.savetxt(folder / "intrinsics.txt", k(read_matrix(room / "intrinsics.txt", {(3, 3)})))
        return folder

    return write

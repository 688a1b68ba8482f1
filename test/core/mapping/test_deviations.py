"""What the originals do otherwise than the default, option by option, and that docs say so."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers.worlds import tabletop

from om3d_core.data.frame import Intrinsics
from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.pose_cells import KeyframeSettings
from om3d_core.mapping.settings import MapSettings
from om3d_core.mapping.views import Cameras, ViewSettings, choose_frames
from om3d_core.mapping.visibility import observe, visible_pixels
from om3d_core.presets import read_preset
from om3d_core.query.settings import QuerySettings
from om3d_core.settings import build, flatten, values_of
from om3d_core.sources.folder import FolderSettings

CAMERA = Intrinsics(50.0, 50.0, 20.0, 15.0, 40, 30)
FAULTS = ("pixel", "require_front", "require_depth", "double_precision")


def original(name="openmask3d"):
    """The settings of the original."""
    names = {leaf.name for leaf in flatten(MapSettings)}
    return build(MapSettings, {k: v for k, v in read_preset(name).items() if k in names})


def seen(point, depth_m, settings):
    """Whether a camera at the origin sees a point (x, y, z) where depth is the same everywhere."""
    depth = np.full((CAMERA.height, CAMERA.width), depth_m, np.float32)
    points = np.array([point], np.float64)
    return visible_pixels(points, depth, CAMERA, np.eye(4), settings)[0] >= 0


def only(fault):
    """The default visibility with one setting as in the original, and its tolerance."""
    ours, theirs = MapSettings().visibility, original().visibility
    values = {**values_of(ours), "depth_tolerance_m": theirs.depth_tolerance_m}
    fixed = build(type(ours), values)
    return fixed, build(type(ours), {**values, fault: getattr(theirs, fault)})


def test_truncation_takes_in_points_left_of_the_image():
    fixed, faulty = only("pixel")
    left = (-20.7 / 50, 0.0, 1.0)
    assert seen(left, 1.0, faulty) and not seen(left, 1.0, fixed)
    half = (5.7 / 50, 0.0, 1.0)
    depth = np.ones((CAMERA.height, CAMERA.width), np.float32)
    columns = [visible_pixels(np.array([half]), depth, CAMERA, np.eye(4), s)[0] % CAMERA.width
               for s in (fixed, faulty)]
    assert columns == [26, 25]


def test_a_point_behind_the_camera():
    fixed, faulty = only("require_front")
    faulty = build(type(faulty), {**values_of(faulty), "require_depth": False})
    fixed = build(type(fixed), {**values_of(fixed), "require_depth": False})
    behind = (0.0, 0.0, -0.15)
    assert seen(behind, 0.0, faulty) and not seen(behind, 0.0, fixed)
    assert not seen(behind, 1.0, faulty)


def test_a_point_at_a_pixel_without_depth():
    fixed, faulty = only("require_depth")
    near = (0.0, 0.0, 0.15)
    assert seen(near, 0.0, faulty) and not seen(near, 0.0, fixed)


def test_double_precision_decides_ties_at_the_border():
    fixed, faulty = only("double_precision")
    border = (0.0, 0.0, 1.0 + fixed.depth_tolerance_m - 1e-9)
    assert seen(border, 1.0, faulty) and not seen(border, 1.0, fixed)


def test_points_are_not_pixels():
    """The code of OpenMask3D++ ranks views by pixels, its paper by points."""
    pixels = np.array([7, 7, 7, 9, -1], np.int32)
    masks = InstanceMasks.from_lists([np.arange(5), np.arange(2, 5)], 5)
    counts = {c: observe(pixels, masks, 40, 30, c).pixels.tolist() for c in ("pixels", "points")}
    assert counts == {"pixels": [2, 2], "points": [4, 2]}
    assert original().visibility.count == MapSettings().visibility.count == "pixels"


def test_together_they_are_the_original_s_visibility():
    theirs = original().visibility
    assert {fault: getattr(theirs, fault) for fault in FAULTS} == {
        "pixel": "truncated", "require_front": False, "require_depth": False,
        "double_precision": True,
    }
    assert original("openmask3d_pp").visibility.depth_tolerance_m == 0.1


def cameras(n):
    """``n`` cameras around an object at the origin; the last two look where the first does."""
    angles = np.linspace(0, 1.2, n)
    rotations = np.stack([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
                          for a in angles])
    return Cameras(rotations, -2 * rotations[:, :, 2], np.zeros((1, 3)))


def test_a_view_that_sees_nothing_can_be_chosen_in_the_originals():
    pixels = np.array([[90], [80], [70], [0], [0], [0]], np.int32)
    theirs = choose_frames(pixels, cameras(6), original("openmask3d_pp").views)[0]
    ours = choose_frames(pixels, cameras(6), MapSettings().views)[0]
    assert (pixels[theirs, 0] == 0).any() and (pixels[ours, 0] > 0).all()


def test_a_view_can_be_chosen_twice_in_the_originals():
    pixels = np.array([[90], [80], [70]], np.int32)
    settings = original("openmask3d_pp").views
    theirs = choose_frames(pixels, cameras(3), settings)[0]
    once = build(type(settings), {**values_of(settings), "repeat": False})
    assert len(theirs) == 5 and len(set(theirs.tolist())) <= 3
    assert sorted(choose_frames(pixels, cameras(3), once)[0].tolist()) == [0, 1, 2]


def test_fewer_frames_than_views_are_repeated_in_the_originals_only():
    pixels = np.arange(90, 30, -10, dtype=np.int32)[:, None]
    theirs = build(ViewSettings, {**values_of(original("openmask3d_pp").views), "preselection": 3})
    ours = build(ViewSettings, {**values_of(MapSettings().views), "preselection": 3})
    chosen = [choose_frames(pixels, cameras(6), s)[0].tolist() for s in (theirs, ours)]
    assert len(chosen[0]) == 5 and set(chosen[0]) == {0, 1, 2}
    assert sorted(chosen[1]) == [0, 1, 2]


def test_the_originals_use_every_frame():
    frames = tabletop(4, arc_rad=0.05)
    counts = []
    for settings in (KeyframeSettings(), original().keyframes):
        store = KeyframeStore(settings)
        counts.append(sum(store.add(frame) for frame in frames))
    assert counts[0] < counts[1] == 4


def test_swapped_axes_move_the_intrinsics():
    scannet = Intrinsics(1170.19, 1170.19, 647.75, 483.75, 1296, 968)
    ours, theirs = scannet.resized(640, 480), scannet.openmask3d_resized(640, 480)
    np.testing.assert_allclose(
        [theirs.fx, theirs.fy, theirs.cx, theirs.cy], [577.841, 577.871, 320.861, 238.700],
        atol=1e-3)
    assert abs(ours.fy - theirs.fy) > 2


def deviating():
    """The options in which an original differs from the default."""
    defaults = {leaf.name: leaf.default for leaf in flatten(MapSettings)}
    defaults |= {f"folder.{leaf.name}": leaf.default for leaf in flatten(FolderSettings)}
    queries = {leaf.name: leaf.default for leaf in flatten(QuerySettings)}
    result = set()
    for preset in ("openmask3d", "openmask3d_pp"):
        for options, known in ((read_preset(preset), defaults),
                               (read_preset(preset, "query"), queries)):
            result |= {n for n, v in options.items() if n in known and known[n] != v}
    return sorted(result)


@pytest.mark.parametrize("option", deviating())
def test_each_deviation_is_in_the_table_of_parity(option, repository):
    assert f"`{option}`" in (repository / "docs/parity.md").read_text()


def test_the_table_of_parity_names_tests_and_options_that_exist(repository):
    rows = (repository / "docs/parity.md").read_text().splitlines()
    tests = set(re.findall(r"([\w/]+)::(test_\w+)", "\n".join(rows)))
    assert len(tests) > 30
    for module, function in tests:
        source = (repository / "test" / f"{module}.py").read_text()
        assert re.search(rf"^def {function}\(", source, re.MULTILINE)
    known = {leaf.name for tree in (MapSettings, QuerySettings) for leaf in flatten(tree)}
    known |= {f"folder.{leaf.name}" for leaf in flatten(FolderSettings)}
    for option in set(re.findall(r"`([a-z0-9_]+\.[a-z_]+)`", "\n".join(rows))):
        assert option in known, option

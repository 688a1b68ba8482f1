"""Pictures: the z-buffer, the camera, lit answers, hostile texts, equal bytes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.answers import make_answer, make_match
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.boxes import fit_box
from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Intrinsics
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import ViewTable
from om3d_core.errors import InputError
from om3d_core.pictures import palette, render_answer, render_instances, save_png
from om3d_core.pictures.answer import HEADER_PX, STRIP_PX
from om3d_core.pictures.camera import choose_viewpoint, look_along, splat_radius
from om3d_core.pictures.overlay import BoxMark, draw_boxes
from om3d_core.pictures.shading import background, render
from om3d_core.pictures.splat import Raster, Viewpoint, rasterize
from om3d_core.pictures.strip import ViewPicture, draw_strip
from om3d_core.pictures.text import shorten, text_width

UP = np.array([0.0, 0.0, 1.0])
SIZE = (480, 400)
CAMERA = Intrinsics(50.0, 50.0, 20.0, 15.0, 41, 31)
AHEAD = Viewpoint(CAMERA, np.eye(4))


def cloud_of(points, normals=None, colors=None):
    points = np.asarray(points, np.float32).reshape(-1, 3)
    normals = np.zeros_like(points) if normals is None else np.asarray(normals, np.float32)
    colors = np.full(points.shape, 128, np.uint8) if colors is None else colors
    return Cloud(points, colors, normals)


def test_the_nearest_point_owns_the_pixel():
    near_last = rasterize(cloud_of([[0, 0, 3], [0, 0, 2]]), AHEAD, 0.2)
    near_first = rasterize(cloud_of([[0, 0, 2], [0, 0, 3]]), AHEAD, 0.2)
    assert (near_last.index[15, 20], near_first.index[15, 20]) == (1, 0)
    assert near_last.depth[15, 20] == near_first.depth[15, 20] == 2.0


def test_equal_depth_goes_to_the_lower_index():
    assert rasterize(cloud_of([[0, 0, 2], [0, 0, 2]]), AHEAD, 0.2).index[15, 20] == 0


def test_points_behind_beside_and_at_the_camera_are_not_drawn():
    raster = rasterize(cloud_of([[0, 0, -2], [0, 0, 0], [50, 0, 2], [0, 0, 0.01]]), AHEAD, 0.2)
    assert (raster.index == -1).all()
    assert np.isinf(raster.depth).all()


def test_a_far_point_is_at_least_one_pixel():
    raster = rasterize(cloud_of([[0.4, 0, 100]]), AHEAD, 0.001)
    assert np.argwhere(raster.index == 0).tolist() == [[15, 20]]


def test_culling_leaves_out_what_looks_away():
    cloud = cloud_of([[0, 0, 2], [0, 0, 3]], [[0, 0, 1], [0, 0, -1]])
    assert rasterize(cloud, AHEAD, 0.2).index[15, 20] == 0
    assert rasterize(cloud, AHEAD, 0.2, cull=True).index[15, 20] == 1


def test_no_points_and_no_radius():
    assert (rasterize(Cloud.empty(), AHEAD, 0.1).index == -1).all()
    with pytest.raises(InputError, match="radius"):
        rasterize(Cloud.empty(), AHEAD, 0.0)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_disks_equal_ray_casting(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform([-0.6, -0.5, 2], [0.6, 0.5, 4], (12, 3)).astype(np.float32)
    normals = rng.normal(size=(12, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    radius = 0.12
    raster = rasterize(cloud_of(points, normals), AHEAD, radius)
    rows, columns = np.mgrid[:31, :41]
    rays = np.stack([(columns - 20) / 50, (rows - 15) / 50, np.ones((31, 41))], axis=-1)
    at = (points * normals).sum(axis=1) / (rays @ normals.T)
    hit = rays[:, :, None] * at[..., None]
    miss = np.linalg.norm(hit - points, axis=-1) - radius
    depth = np.where((miss < 0) & (at > 0), at, np.inf)
    centers = np.rint(points[:, :2] / points[:, 2:] * 50 + (20, 15)).astype(int)
    near_edge = (np.abs(miss) < 0.02).any(axis=-1)
    near_edge[centers[:, 1].clip(0, 30), centers[:, 0].clip(0, 40)] = True
    two = np.sort(depth, axis=-1)[..., :2]
    with np.errstate(invalid="ignore"):
        tie = two[..., 1] - two[..., 0] < 1e-3
    clear = ~near_edge & ~tie
    expected = np.where(np.isfinite(depth.min(axis=-1)), depth.argmin(axis=-1), -1)
    assert np.array_equal(raster.index[clear], expected[clear])


def test_camera_is_level_and_looks_down():
    for azimuth in (0.0, 1.0, 4.0):
        rotation = look_along(UP, azimuth, 0.6)
        assert np.allclose(rotation @ rotation.T, np.eye(3))
        assert np.linalg.det(rotation) == pytest.approx(1)
        right, down, forward = rotation.T
        assert right @ UP == pytest.approx(0)
        assert down @ UP == pytest.approx(-np.cos(0.6))
        assert forward @ UP == pytest.approx(-np.sin(0.6))


def panel(center, axes, size, step=0.02):
    """A rectangle of points around ``center``; its normal is the cross product of its axes."""
    a, b = np.asarray(axes, float)
    u, v = (np.arange(-s / 2, s / 2 + 1e-9, step) for s in size)
    grid = np.asarray(center) + u[:, None, None] * a + v[None, :, None] * b
    points = grid.reshape(-1, 3)
    return points, np.tile(np.cross(a, b), (len(points), 1))


def block(center, size):
    x, y, z = np.eye(3)
    half = np.asarray(size) / 2
    sides = [
        panel(np.asarray(center) + s * half[i] * axis, axes, [size[j] for j in order])
        for i, axis, pairs in ((0, x, ((y, z), (z, y))), (1, y, ((z, x), (x, z))),
                               (2, z, ((x, y), (y, x))))
        for s, axes, order in (
            (1, pairs[0], {0: (1, 2), 1: (2, 0), 2: (0, 1)}[i]),
            (-1, pairs[1], {0: (2, 1), 1: (0, 2), 2: (1, 0)}[i]),
        )
    ]
    return np.concatenate([p for p, _ in sides]), np.concatenate([n for _, n in sides])


def thumbnail(color, width=60, height=45):
    done, data = cv2.imencode(".jpg", np.full((height, width, 3), color, np.uint8)[:, :, ::-1])
    assert done
    return data.tobytes()


def make_scene(order=None):
    """A gray floor (structure), a red and a blue block, and a wall between them and the east."""
    parts = [
        panel([0, 0, 0], np.eye(3)[:2], [2.4, 2.4]),
        block([-0.4, 0, 0.15], [0.3, 0.3, 0.3]),
        block([0.5, 0.3, 0.1], [0.2, 0.2, 0.2]),
    ]
    points = np.concatenate([p for p, _ in parts])
    normals = np.concatenate([n for _, n in parts])
    owner = np.repeat(np.arange(3), [len(p) for p, _ in parts])
    colors = np.array([[150, 150, 150], [190, 60, 50], [60, 70, 190]], np.uint8)[owner]
    if order is not None:
        order = np.random.default_rng(order).permutation(len(points))
        points, normals, owner, colors = (a[order] for a in (points, normals, owner, colors))
    masks = InstanceMasks.from_lists(
        [np.flatnonzero(owner == i) for i in range(3)], len(points),
        structure=[True, False, False],
    )
    pixels = np.array([[0, 0], [900, 500], [700, 0]], np.int32)
    stamps = np.where(pixels > 0, [5, 9], -1).astype(np.int64)
    return Scene(
        revision=1,
        cloud=cloud_of(points, normals, colors),
        masks=masks,
        ids=np.array([1, 2, 3]),
        up=UP,
        views=ViewTable(stamps, pixels, np.zeros((3, 2, 4), np.int32)),
        features=(),
        thumbnails=((), (thumbnail((0, 200, 0)), thumbnail((200, 0, 200))), (b"no picture",)),
        labels=("floor", "", "box"),
    )


def near_color(rgb, color, tolerance=12):
    return int((np.abs(rgb.astype(int) - color).max(axis=2) <= tolerance).sum())


def viewport(rgb):
    return rgb[HEADER_PX:-STRIP_PX]


def test_viewpoint_shows_the_subject_and_fits_the_frame():
    scene = make_scene()
    subject = np.zeros(len(scene.cloud), bool)
    subject[scene.masks[1]] = True
    corners = scene.boxes[1].corners
    view = choose_viewpoint(scene.cloud, UP, subject, corners, (300, 200), 0.02)
    pixels = view.to_pixels(view.to_camera(corners))
    assert (pixels >= 0).all()
    assert (pixels <= (300, 200)).all()
    assert np.ptp(pixels, axis=0).max() > 100
    assert view.position[2] > scene.boxes[1].center[2]
    shown = rasterize(scene.cloud, view, 0.02, cull=True).index
    assert subject[shown[shown >= 0]].mean() > 0.3


def test_viewpoint_goes_around_an_obstacle():
    target, target_normals = block([0, 0, 0.1], [0.2, 0.2, 0.2])
    wall, _ = panel([0.3, 0, 0.3], np.eye(3)[[1, 2]], [2.0, 0.6])
    # The wall has no normals: it hides the target from the east whatever its side.
    cloud = cloud_of(np.concatenate([target, wall]),
                     np.concatenate([target_normals, np.zeros_like(wall)]))
    subject = np.arange(len(cloud)) < len(target)
    view = choose_viewpoint(cloud, UP, subject, target, (300, 200), 0.02)
    assert view.position[0] < 0.3


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_handful_of_points_has_a_picture(count):
    points = np.random.default_rng(0).random((count, 3))
    cloud = cloud_of(points)
    radius = splat_radius(cloud.points)
    assert radius == 0.01
    view = choose_viewpoint(cloud, UP, np.ones(count, bool), points, (160, 120), radius)
    assert (rasterize(cloud, view, radius).index >= 0).any()


def test_disks_close_the_surface():
    points, normals = panel([0, 0, 0], np.eye(3)[:2], [1.0, 1.0], step=0.01)
    cloud = cloud_of(points, normals)
    radius = splat_radius(cloud.points)
    assert 0.007 <= radius <= 0.02
    inner = points[(np.abs(points) < 0.4).all(axis=1)]
    view = choose_viewpoint(cloud, UP, np.ones(len(points), bool), inner, (400, 300), radius)
    pixels = np.rint(view.to_pixels(view.to_camera(inner))).astype(int)
    x, y = pixels[(pixels >= 0).all(axis=1) & (pixels < (400, 300)).all(axis=1)].T
    holes = rasterize(cloud, view, radius).index[y.min() : y.max(), (x.min() + x.max()) // 2] < 0
    assert not holes.any()


def test_light_and_background():
    cloud = cloud_of([[0, 0, 2], [0.4, 0, 2]], [[0, 0, -1], [0, 0, 0]])
    drawing = render(cloud, np.full((2, 3), 200.0), AHEAD, 0.1)
    assert drawing.rgb.shape == (31, 41, 3)
    toward, unknown = drawing.rgb[15, 20], drawing.rgb[15, 30]
    assert (unknown == 200).all()
    assert (toward < 200).all()
    assert (toward > 100).all()
    assert np.abs(drawing.rgb[0].astype(int) - background(41, 31)[0]).max() <= 1


def test_edges_are_faint_behind_a_surface():
    box = fit_box(np.array([[-0.5, -0.4, 3], [0.5, 0.4, 3.5]]), UP)
    rgb = np.zeros((31, 41, 3), np.uint8)
    mark = BoxMark(box, (200, 100, 0), 1)
    empty = Raster(np.full((31, 41), -1, np.int32), np.full((31, 41), np.inf, np.float32))
    wall = replace(empty, depth=np.ones((31, 41), np.float32))
    shown = draw_boxes(rgb, empty, AHEAD, [mark])
    hidden = draw_boxes(rgb, wall, AHEAD, [mark])
    assert near_color(shown, (200, 100, 0)) > 20
    assert near_color(hidden, (200, 100, 0)) == 0
    assert near_color(hidden, (70, 35, 0)) > 20
    assert not rgb.any()


def test_a_box_around_or_behind_the_camera_is_harmless():
    rgb = np.zeros((31, 41, 3), np.uint8)
    empty = Raster(np.full((31, 41), -1, np.int32), np.full((31, 41), np.inf, np.float32))
    around = fit_box(np.array([[-1.0, -1, -1], [1, 1, 1]]), UP)
    behind = fit_box(np.array([[-1.0, -1, -3], [1, 1, -2]]), UP)
    marks = [BoxMark(around, (255, 0, 0), 2, "around"), BoxMark(behind, (0, 255, 0), 2, "behind")]
    drawn = draw_boxes(rgb, empty, AHEAD, marks)
    assert not drawn[:, :, 1].any()


def test_instances_have_their_own_colors_and_structure_is_gray():
    scene = make_scene()
    rgb = render_instances(scene, SIZE)
    assert rgb.shape == (SIZE[1], SIZE[0], 3)
    body = rgb[HEADER_PX:].astype(int)
    spread = body.max(axis=2) - body.min(axis=2)
    bright = body.max(axis=2) > 70
    assert (bright & (spread <= 3)).sum() > 5000
    assert (bright & (spread > 60)).sum() > 2000
    structure_only = replace(scene, masks=replace(scene.masks, structure=np.ones(3, bool)))
    gray = render_instances(structure_only, SIZE)[HEADER_PX:].astype(int)
    assert (gray.max(axis=2) - gray.min(axis=2)).max() < 25


def of_red(rgb):
    """Pixels of the color of the red block, in whatever light."""
    lit = rgb.astype(float)[rgb[:, :, 0] > 60]
    share = lit / lit[:, :1]
    return int((np.abs(share - np.array([190, 60, 50]) / 190).max(axis=1) < 0.03).sum())


def test_named_instances_have_boxes_and_names_on_a_map_in_its_own_colors():
    scene = make_scene()
    named = viewport(render_instances(scene, SIZE, named=True))
    hues = palette.instance_colors(scene.ids).astype(int)
    assert [near_color(named, hue) > 150 for hue in hues] == [False, True, True]
    assert of_red(named) > 300
    assert of_red(viewport(render_instances(scene, SIZE))) < 50
    other = replace(scene, labels=("floor", "mug", "box"))
    assert (viewport(render_instances(other, SIZE, named=True)) != named).any()


def test_an_answer_is_lit_and_an_absent_one_is_not():
    scene = make_scene()
    found = render_answer(scene, make_answer(scene, 1, 2), SIZE)
    missing = render_answer(scene, make_answer(scene, 1, 2, present=False), SIZE)
    assert found.shape == missing.shape == (SIZE[1], SIZE[0], 3)
    assert near_color(viewport(found), palette.FOUND) > 300
    assert near_color(viewport(found), palette.RUNNER_UP) > 30
    assert near_color(viewport(missing), palette.FOUND) == 0
    assert near_color(viewport(missing), palette.RUNNER_UP) == 0
    assert near_color(viewport(missing), palette.GUESS) > 100
    assert near_color(missing[:HEADER_PX], palette.ABSENT) > 500
    assert near_color(found[:HEADER_PX], palette.FOUND) > 500


def test_the_strip_shows_the_views_of_the_best_match():
    scene = make_scene()
    strip = render_answer(scene, make_answer(scene, 1, 2), SIZE)[-STRIP_PX:]
    green, purple = near_color(strip, (0, 200, 0)), near_color(strip, (200, 0, 200))
    assert green > 5000
    assert purple > 5000
    other = render_answer(scene, make_answer(scene, 2, 1), SIZE)[-STRIP_PX:]
    assert near_color(other, (0, 200, 0)) == 0


def test_captions_and_questions_are_drawn():
    scene = make_scene()
    plain = render_answer(scene, make_answer(scene, 1), SIZE)
    captioned = render_answer(scene, make_answer(scene, 1, views={5: 0.44}), SIZE)
    asked = render_answer(scene, make_answer(scene, 1, query="something else"), SIZE)
    assert np.array_equal(plain[:-STRIP_PX], captioned[:-STRIP_PX])
    assert not np.array_equal(plain[-STRIP_PX:], captioned[-STRIP_PX:])
    assert np.array_equal(plain[HEADER_PX:], asked[HEADER_PX:])
    assert not np.array_equal(plain[:HEADER_PX], asked[:HEADER_PX])


@pytest.mark.parametrize(
    "query", ["", "\n\t", "x" * 100_000, "eine weiße Tasse", "白い", "\ud800"],
    ids=["empty", "blank", "long", "German", "Japanese", "surrogate"],
)
def test_any_text_can_be_asked(query):
    scene = make_scene()
    rgb = render_answer(scene, make_answer(scene, 1, query=query), SIZE)
    assert rgb.std() > 10


def test_long_text_is_cut_and_control_characters_are_spaces():
    assert shorten("a\n b\x00c", 20, 500) == "a b c"
    cut = shorten("word " * 50, 20, 120)
    assert cut.endswith("...")
    assert text_width(cut, 20) <= 120


def test_same_map_same_picture_whatever_the_order_of_points(tmp_path):
    first, again, shuffled = (
        render_answer(scene, make_answer(scene, 1, 2), SIZE)
        for scene in (make_scene(), make_scene(), make_scene(order=3))
    )
    assert np.array_equal(first, again)
    assert (np.abs(first.astype(int) - shuffled).max(axis=2) > 40).mean() < 0.01
    save_png(tmp_path / "a.png", first)
    save_png(tmp_path / "b.png", again)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    back = cv2.imread(str(tmp_path / "a.png"))[:, :, ::-1]
    assert np.array_equal(back, first)


def test_saving_checks_and_replaces(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(InputError):
            save_png(path, wrong)
    assert path.read_bytes() == b"old"
    save_png(path, np.zeros((4, 4, 3), np.uint8))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(OSError):
        save_png(tmp_path / "nowhere" / "a.png", np.zeros((4, 4, 3), np.uint8))


def empty_scene():
    return replace(
        make_scene(), cloud=Cloud.empty(), masks=InstanceMasks.empty(0), ids=np.zeros(0, np.int64),
        views=ViewTable.empty(0, 2), thumbnails=(), labels=(),
        label_probabilities=np.zeros(0, np.float32),
    )


def test_an_empty_map_and_an_empty_answer_have_pictures():
    empty, full = empty_scene(), make_scene()
    for rgb in (render_instances(empty, SIZE),
                render_answer(empty, make_answer(empty), SIZE),
                render_answer(full, make_answer(full), SIZE)):
        assert rgb.shape == (SIZE[1], SIZE[0], 3)


def test_damaged_thumbnails_leave_an_empty_tile():
    scene = make_scene()
    rgb = render_answer(scene, make_answer(scene, 2), SIZE)
    assert near_color(rgb[-STRIP_PX:], palette.FAINT_TEXT) > 2000


def test_strip_shows_whole_views_only():
    views = [ViewPicture(thumbnail((250, 0, 0)), str(i)) for i in range(50)]
    strip = draw_strip(views, "views", 500, 100)
    assert strip.shape == (100, 500, 3)
    assert (strip[:, -12:] == palette.PANEL).all()
    long = ViewPicture(thumbnail((250, 0, 0), 300, 30), "wide")
    tall = ViewPicture(thumbnail((250, 0, 0), 30, 300), "tall")
    assert near_color(draw_strip([long, tall], "", 800, 100), (250, 0, 0), 20) > 200


@pytest.mark.parametrize("size", [(0, 0), (10, 400), (480, 100), (9000, 400)])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(InputError, match="size"):
        render_instances(make_scene(), size)
    with pytest.raises(InputError, match="size"):
        render_answer(make_scene(), make_answer(make_scene(), 1), size)


def test_answers_of_another_map_are_refused():
    scene = make_scene()
    for wrong in (7, -1):
        matches = make_match(scene, 1), make_match(scene, 2, 2, index=wrong)
        with pytest.raises(InputError, match="matches of this map"):
            render_answer(scene, replace(make_answer(scene), matches=matches), SIZE)


def test_ids_keep_their_colors_and_neighbors_differ():
    colors = palette.instance_colors(np.arange(1, 200))
    assert np.array_equal(palette.instance_colors(np.array([57])), colors[56:57])
    assert np.linalg.norm(np.diff(colors, axis=0), axis=1).min() > 60
    assert colors.min() >= 0
    assert colors.max() <= 255

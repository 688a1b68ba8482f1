"""The two pictures of a map: all its instances, and the answer to one question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box
from om3d_core.data.scene import Scene
from om3d_core.data.text import name_of
from om3d_core.errors import expect
from om3d_core.files import write_atomically
from om3d_core.pictures import palette
from om3d_core.pictures.camera import choose_viewpoint, splat_radius
from om3d_core.pictures.overlay import BoxMark, draw_boxes
from om3d_core.pictures.shading import background, render
from om3d_core.pictures.strip import ViewPicture, draw_strip
from om3d_core.pictures.text import Color, draw_chip, font, shorten
from om3d_core.query.answer import Answer, Match, told

SIZE = (1280, 800)
MIN_SIZE = (320, 240)
MAX_SIZE = (4096, 4096)
HEADER_PX = 60
STRIP_PX = 164
TITLE_PX = 26
CHIP_PX = 18
NAME_PX = 12
INSTANCE_TINT = 0.62
STRUCTURE_LIGHT = 0.62
STRUCTURE_FLOOR = 38.0
FOUND_TINT = 0.48
DIMMED_LIGHT = 0.62
DIMMED_FLOOR = 26.0
DIMMED_TINT = 0.2
DIMMED_HUE = np.array([0.92, 0.98, 1.12], np.float32)
CONTEXT_DIAGONALS = 0.65
CONTEXT_M = 0.4
RUNNERS_UP = 2


def render_instances(
    scene: Scene, size: tuple[int, int] = SIZE, title: str = "", named: bool = False
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8: the map from above, a color an instance, structure gray; labels, if any.

    size: (width, height) in pixels. A map of no points gives an empty view. named: the map in its
    own colors, and every instance in a box with its label, or # and its id, as RViz shows them.
    """
    _check_size(size)
    width, height = size[0], size[1] - HEADER_PX
    objects = int((~scene.masks.structure).sum())
    header = _header(title or "Map", f"{objects} instances", palette.RUNNER_UP, width)
    if not len(scene.cloud):
        return np.vstack([header, background(width, height)])
    is_object = np.append(~scene.masks.structure, False)[scene.masks.labels()]
    colors = scene.cloud.colors.astype(np.float32) if named else _instance_hues(scene, is_object)
    radius_m = splat_radius(scene.cloud.points)
    view = choose_viewpoint(
        scene.cloud, scene.up, is_object, scene.cloud.points, (width, height), radius_m
    )
    drawing = render(scene.cloud, colors, view, radius_m)
    marks = _instance_marks(scene, named)
    return np.vstack([header, draw_boxes(drawing.rgb, drawing.raster, view, marks)])


def render_answer(
    scene: Scene, answer: Answer, size: tuple[int, int] = SIZE
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8: the question, its best match lit up and boxed, and that match's views.

    The next matches get thin boxes. Where the thing is not called present, nothing is lit and the
    closest instance has a gray box. A view is captioned with its similarity, one that has none
    with its visible pixels.
    """
    _check_size(size)
    width, height = size[0], size[1] - HEADER_PX - STRIP_PX
    header = _answer_header(answer, width)
    if not answer.matches or not len(scene.cloud):
        return np.vstack([header, background(width, height), draw_strip([], "", width, STRIP_PX)])
    for match in answer.matches:
        expect(0 <= match.index < len(scene), f"matches of this map of {len(scene)} instances",
               match.index)
    views = _views(scene, answer.matches[0])
    strip = draw_strip(views, "best views" if answer.present else "closest", width, STRIP_PX)
    return np.vstack([header, _draw_answer(scene, answer, (width, height)), strip])


def save_png(path: Path, rgb: npt.NDArray[np.uint8]) -> None:
    """Write (H, W, 3) uint8 as a PNG; the same pixels give the same bytes.

    A killed write leaves the previous file whole. Raises :class:`OSError` where it cannot write.
    """
    import cv2

    expect(rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.dtype == np.uint8, "uint8 (H, W, 3)",
           (rgb.shape, rgb.dtype))
    done, content = cv2.imencode(".png", np.ascontiguousarray(rgb[:, :, ::-1]))
    expect(done, "pixels that a PNG can hold", rgb.shape)
    write_atomically(path, content.tobytes())


def _instance_hues(
    scene: Scene, is_object: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """(P, 3) colors of the points: that of their instance on objects, else gray."""
    gray = palette.luminance(scene.cloud.colors) * STRUCTURE_LIGHT + STRUCTURE_FLOOR
    colors = np.repeat(gray, 3, axis=1)
    hues = palette.instance_colors(scene.ids)[scene.masks.labels()[is_object]]
    colors[is_object] = palette.tint(scene.cloud.colors[is_object], hues, INSTANCE_TINT)
    return colors


def _instance_marks(scene: Scene, named: bool) -> list[BoxMark]:
    """Of what is no structure the labels there are, or, if ``named``, boxes and names."""
    marks = []
    for i in np.flatnonzero(~scene.masks.structure).tolist():
        box, label = scene.boxes[i], scene.labels[i]
        color = _color(palette.instance_colors(scene.ids[i : i + 1])[0])
        if named:
            marks.append(BoxMark(box, color, 1, name_of(label, int(scene.ids[i])), NAME_PX))
        elif label:
            marks.append(BoxMark(box, color, 0, label))
    return marks


def _draw_answer(
    scene: Scene, answer: Answer, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    best = scene.masks[answer.matches[0].index]
    lit = np.zeros(len(scene.cloud), bool)
    lit[best] = True
    gray = palette.luminance(scene.cloud.colors) * DIMMED_LIGHT + DIMMED_FLOOR
    colors = gray * DIMMED_HUE * (1 - DIMMED_TINT) + scene.cloud.colors * DIMMED_TINT
    if answer.present:
        colors[lit] = palette.tint(scene.cloud.colors[lit], palette.FOUND, FOUND_TINT) * 1.15
    radius_m = splat_radius(scene.cloud.points)
    frame = _surroundings(answer.matches[0].box)
    view = choose_viewpoint(scene.cloud, scene.up, lit, frame, size, radius_m)
    drawing = render(scene.cloud, colors, view, radius_m)
    return draw_boxes(drawing.rgb, drawing.raster, view, _marks(answer))


def _surroundings(box: Box) -> npt.NDArray[np.float64]:
    """Points on a sphere around the box: what to fit in the picture, the box in its middle."""
    directions = np.array([d for d in np.ndindex(3, 3, 3) if d != (1, 1, 1)]) - 1.0
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    reach = CONTEXT_M + CONTEXT_DIAGONALS * float(np.linalg.norm(box.size))
    result: npt.NDArray[np.float64] = box.center + reach * directions
    return result


def _marks(answer: Answer) -> list[BoxMark]:
    marks = []
    for rank, match in enumerate(answer.matches[: 1 + RUNNERS_UP], 1):
        name = match.label or f"id {match.instance_id}"
        label = f"{rank} · {name} · {match.similarity:.2f}"
        color = palette.RUNNER_UP if answer.present else palette.GUESS
        if rank == 1 and answer.present:
            color = palette.FOUND
        marks.append(BoxMark(match.box, color, 2 if rank == 1 else 1, label))
    return marks if answer.present else marks[:1]


def _views(scene: Scene, match: Match) -> list[ViewPicture]:
    index, valid = match.index, scene.views.valid[match.index]
    similarities = {view.stamp_ns: view.similarity for view in match.view_similarities}
    stamps, pixels = scene.views.stamps[index][valid], scene.views.pixels[index][valid]
    captions = [
        f"{similarities[stamp]:.2f}" if stamp in similarities else f"{count:,} px"
        for stamp, count in zip(stamps.tolist(), pixels.tolist(), strict=True)
    ]
    pairs = zip(scene.thumbnails[index], captions, strict=False)
    return [ViewPicture(jpeg, caption) for jpeg, caption in pairs]


def _answer_header(answer: Answer, width: int) -> npt.NDArray[np.uint8]:
    if not answer.matches or not answer.present:
        return _header(answer.query, told(answer), palette.ABSENT, width)
    chance = round(100 * float(answer.matches[0].probability))
    return _header(answer.query, f"{told(answer)}, {chance} %", palette.FOUND, width)


def _header(title: str, verdict: str, color: Color, width: int) -> npt.NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, HEADER_PX), palette.PANEL)
    draw = ImageDraw.Draw(image)
    room = width - 48 - round(font(CHIP_PX).getlength(verdict)) - 3 * CHIP_PX
    draw.text((24, HEADER_PX / 2), shorten(title, TITLE_PX, room), fill=palette.TEXT,
              font=font(TITLE_PX), anchor="lm")
    draw_chip(draw, (width - 24, HEADER_PX / 2), verdict, CHIP_PX, palette.PANEL, color, "rm")
    return np.array(image)


def _color(row: npt.NDArray[np.floating]) -> Color:
    red, green, blue = (int(value) for value in row)
    return red, green, blue


def _check_size(size: tuple[int, int]) -> None:
    inside = all(low <= s <= high for low, s, high in zip(MIN_SIZE, size, MAX_SIZE, strict=True))
    expect(inside, f"a picture size within {MIN_SIZE} .. {MAX_SIZE}", size)

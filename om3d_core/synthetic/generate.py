"""Renders one labeled scene into a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from om3d_core.data.frame import Intrinsics
from om3d_core.errors import InputError, SettingsError
from om3d_core.settings import Settings, setting
from om3d_core.synthetic.arrange import arrange, choose_models
from om3d_core.synthetic.assets import Catalog
from om3d_core.synthetic.camera import camera_path
from om3d_core.synthetic.questions import make_queries
from om3d_core.synthetic.render import Renderer
from om3d_core.synthetic.room import furnish
from om3d_core.synthetic.scene import Instance, Room
from om3d_core.synthetic.sensor import DepthSensor
from om3d_core.synthetic.truth import GroundTruth, TruthBuilder
from om3d_core.synthetic.writer import SceneWriter

VERSION = 1
_LAYOUT_ATTEMPTS = 50
_COLOR_NOISE = 2.0
_WORKERS = 2


@dataclass(frozen=True)
class SynthSettings(Settings):
    """What to render; the same settings give the same bytes."""

    seed: int = setting(1, "number that determines everything random", low=0, high=2**31 - 1)
    n_frames: int = setting(120, "frames along the camera path", low=2, high=5000)
    width: int = setting(640, "image width in pixels", low=32, high=1920)
    height: int = setting(480, "image height in pixels", low=24, high=1440)
    min_objects: int = setting(21, "fewest objects, furniture included", low=12, high=25)
    max_objects: int = setting(25, "most objects, furniture included", low=12, high=25)
    min_classes: int = setting(15, "fewest classes among the objects", low=1, high=20)
    depth_noise: float = setting(1.0, "strength of the depth noise (0 none, 1 as Kinect v1)",
                                 low=0.0, high=5.0)
    rate_hz: float = setting(6.0, "frames per second of the camera", low=0.1, high=120.0)
    min_pixels: int = setting(400, "pixels that an object shows in a frame to count as seen",
                              low=1, high=100000)
    min_views: int = setting(3, "frames in which an object must be seen to be asked for",
                             low=1, high=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_objects > self.max_objects:
            raise SettingsError(f"min_objects: expected at most max_objects = {self.max_objects}, "
                                f"got {self.min_objects}")


def synthesize(out: Path, settings: SynthSettings,
               progress: Callable[[str, int, int], None] | None = None) -> None:
    """Render a furnished room into the folder ``out``, which must be new or empty.

    The layout is that of OpenMask3D scenes (color/N.jpg, depth/N.png in mm, pose/N.txt,
    intrinsics.txt) with instance/N.png, scene.json, ground_truth.npz and queries.json.
    scene.json lists the structure and what is seen well enough to be found; points and pixels
    of the few other things (``barely_seen``) keep ids that it does not list.
    The folder appears whole at the end, or not at all. Raises InputError when ``out`` is in
    use, ModelError when the packaged objects are missing.
    """
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"expected a new or empty folder, got {out}")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        _write_scene(work, settings, progress or (lambda stage, done, total: None))
        work.chmod(0o755)
        work.replace(out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def compose(catalog: Catalog, settings: SynthSettings) -> tuple[Room, tuple[Instance, ...]]:
    """The room and all that is in it, as the settings' seed determines.

    Raises SettingsError when the asked-for numbers of objects and classes find no place.
    """
    for attempt in range(_LAYOUT_ATTEMPTS):
        rng = np.random.default_rng([settings.seed, attempt])
        room = furnish(catalog, rng)
        total = int(rng.integers(settings.min_objects, settings.max_objects + 1))
        n_furniture = sum(not instance.structure for instance in room.instances)
        models = choose_models(catalog, max(total - n_furniture, 1), rng)
        instances = (*room.instances, *arrange(catalog, room, models, rng))
        names = [instance.class_name for instance in instances if not instance.structure]
        if len(names) >= settings.min_objects and len(set(names)) >= settings.min_classes:
            return room, instances
    raise SettingsError(f"expected a room for {settings.min_objects} to {settings.max_objects} "
                        f"objects of {settings.min_classes} classes, found no layout")


def _write_scene(folder: Path, settings: SynthSettings,
                 progress: Callable[[str, int, int], None]) -> None:
    progress("layout", 0, 1)
    catalog = Catalog()
    room, instances = compose(catalog, settings)
    progress("layout", 1, 1)
    intrinsics = Intrinsics(585.0, 585.0, 320.0, 240.0, 640, 480)
    if (settings.width, settings.height) != (640, 480):
        intrinsics = intrinsics.resized(settings.width, settings.height)
    rng = np.random.default_rng([settings.seed, _LAYOUT_ATTEMPTS])
    poses = camera_path(room, instances, settings.n_frames, rng)
    lamps = np.array([[-0.22, 0.18, 0.93], [0.25, -0.25, 0.95]]) * room.size
    renderer = Renderer(instances, intrinsics, lamps)
    sensor = DepthSensor(intrinsics.fx, settings.depth_noise)
    truth = TruthBuilder(intrinsics, instances[-1].id, sensor.max_m)
    writer = SceneWriter(folder, intrinsics)

    def render(index: int) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        view = renderer.render(poses[index])
        noise = np.random.default_rng([settings.seed, _LAYOUT_ATTEMPTS + 1, index])
        grain = noise.normal(0, _COLOR_NOISE, view.rgb.shape)
        rgb = np.clip(np.rint(view.rgb + grain), 0, 255).astype(np.uint8)
        depth_mm = sensor.measure(view.depth, view.incidence, noise)
        writer.frame(index, rgb, depth_mm, view.instance, poses[index])
        return view.depth, view.instance

    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, settings.n_frames, _WORKERS):
            batch = range(start, min(start + _WORKERS, settings.n_frames))
            for index, (depth, ids) in zip(batch, pool.map(render, batch), strict=True):
                truth.add(depth, ids, poses[index])
                progress("render", index + 1, settings.n_frames)
    _write_truth(writer, settings, catalog, instances, truth.build(), rng)


def _write_truth(writer: SceneWriter, settings: SynthSettings, catalog: Catalog,
                 instances: tuple[Instance, ...], truth: GroundTruth,
                 rng: np.random.Generator) -> None:
    names = sorted({instance.class_name for instance in instances})
    views = (truth.pixels >= settings.min_pixels).sum(axis=0)
    findable = [instance for instance in instances
                if not instance.structure and views[instance.id] >= settings.min_views]
    points_of = {instance.id: truth.points[truth.instance == instance.id]
                 for instance in instances}
    listed = {i.id for i in instances if i.structure} | {i.id for i in findable}
    class_of = np.zeros(instances[-1].id + 1, np.uint16)
    for instance in instances:
        class_of[instance.id] = names.index(instance.class_name)
    writer.ground_truth(points=truth.points, instance=truth.instance,
                        class_id=class_of[truth.instance])
    writer.json("queries.json", {
        "scene": f"synth-{settings.seed}", "frame": "world of pose/*.txt, metres",
        "queries": make_queries(catalog, findable, points_of, rng)})
    writer.json("scene.json", {
        "version": VERSION, "seed": settings.seed, "units": "m", "depth_units_per_m": 1000,
        "gravity": [0.0, 0.0, -1.0], "rate_hz": settings.rate_hz,
        "n_frames": settings.n_frames, "classes": names,
        "instances": [_describe(i, names, int(views[i.id])) for i in instances if i.id in listed],
        "barely_seen": [_describe(i, names, int(views[i.id])) for i in instances
                        if i.id not in listed]})


def _describe(instance: Instance, names: list[str], views: int) -> dict[str, Any]:
    low, high = (np.round(corner, 4) for corner in instance.box)
    return {"id": instance.id, "class": instance.class_name,
            "class_id": names.index(instance.class_name), "structure": instance.structure,
            "views": views, "supported_by": instance.supported_by,
            "box_min": low.tolist(), "box_max": high.tolist(),
            "position": np.round((low + high) / 2, 4).tolist()}

"""Synthetic scenes: the same bytes for a seed, and labels that agree with geometry."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.spatial import ConvexHull, cKDTree

from om3d_core.data.frame import Intrinsics
from om3d_core.errors import InputError, SettingsError
from om3d_core.synthetic import SynthSettings, synthesize
from om3d_core.synthetic.assets import Catalog
from om3d_core.synthetic.camera import camera_path
from om3d_core.synthetic.contact import rest_offset
from om3d_core.synthetic.generate import compose
from om3d_core.synthetic.mesh import box, pose
from om3d_core.synthetic.mujoco import read_model, read_msh, read_stl
from om3d_core.synthetic.render import Renderer
from om3d_core.synthetic.scene import Instance, Room, overlap
from om3d_core.synthetic.sensor import DepthSensor
from om3d_core.synthetic.texture import TextureAtlas

TINY: dict[str, Any] = {
    "seed": 11, "n_frames": 12, "width": 160, "height": 120, "depth_noise": 0.0,
    "min_pixels": 30, "min_views": 1,
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture(scope="module")
def layout(catalog: Catalog) -> tuple[Room, tuple[Instance, ...]]:
    return compose(catalog, SynthSettings(seed=11))


@pytest.fixture(scope="module")
def clean_scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "scene"
    synthesize(folder, SynthSettings(**TINY))
    return folder


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def read_points(folder: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    with np.load(folder / "ground_truth.npz", allow_pickle=False) as arrays:
        return arrays["points"], arrays["instance"]


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def synthesize_elsewhere(folder: Path, threads: int) -> subprocess.Popen[bytes]:
    """Start a rendering with sensor noise in another process."""
    settings = TINY | {"n_frames": 2, "depth_noise": 1.0, "min_objects": 12, "max_objects": 14,
                       "min_classes": 8}
    program = ("import sys; from pathlib import Path\n"
               "from om3d_core.synthetic import SynthSettings, synthesize\n"
               f"synthesize(Path(sys.argv[1]), SynthSettings(**{settings!r}))\n")
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TBB_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads)) | {
        "PYTHONPATH": str(Path(__file__).resolve().parents[3]), "PYTHONHASHSEED": str(threads)}
    return subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment)


def test_same_seed_gives_same_bytes_whatever_the_threads(tmp_path: Path) -> None:
    runs = [synthesize_elsewhere(tmp_path / str(threads), threads) for threads in (1, 4)]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    first, second = digests(tmp_path / "1"), digests(tmp_path / "4")
    assert first == second
    assert len(first) == 4 * 2 + 4


def test_another_seed_gives_another_room(catalog: Catalog,
                                         layout: tuple[Room, tuple[Instance, ...]]) -> None:
    other = compose(catalog, SynthSettings(seed=12))[1]
    assert [i.box[0].tolist() for i in other] != [i.box[0].tolist() for i in layout[1]]


def test_layout_of_the_files(clean_scene: Path) -> None:
    scene = read_json(clean_scene / "scene.json")
    for index in range(TINY["n_frames"]):
        color = cv2.imread(str(clean_scene / f"color/{index}.jpg"), cv2.IMREAD_UNCHANGED)
        depth = cv2.imread(str(clean_scene / f"depth/{index}.png"), cv2.IMREAD_UNCHANGED)
        label = cv2.imread(str(clean_scene / f"instance/{index}.png"), cv2.IMREAD_UNCHANGED)
        assert color.shape == (120, 160, 3) and color.dtype == np.uint8
        assert depth.shape == label.shape == (120, 160)
        assert depth.dtype == label.dtype == np.uint16
        known = {i["id"] for i in scene["instances"] + scene["barely_seen"]}
        assert set(np.unique(label).tolist()) <= known
    assert np.loadtxt(clean_scene / "intrinsics.txt").shape == (3, 3)
    assert scene["seed"] == 11 and scene["gravity"] == [0, 0, -1]


def test_enough_objects_and_classes(layout: tuple[Room, tuple[Instance, ...]]) -> None:
    names = Counter(i.class_name for i in layout[1] if not i.structure)
    assert 12 <= names.total() <= 25
    assert len(names) >= 15
    assert max(names.values()) >= 2


def test_objects_stand_on_what_supports_them(layout: tuple[Room, tuple[Instance, ...]]) -> None:
    room, instances = layout
    by_id = {instance.id: instance for instance in instances}
    for instance in instances:
        support = by_id.get(instance.supported_by)
        if instance.structure or support is None or support.class_name == "wall":
            continue
        low, high = instance.box
        gap = rest_offset(instance.parts, support.parts, float((low[2] + high[2]) / 2))
        assert -0.002 < gap <= 1e-4, (instance.class_name, support.class_name, gap)
        assert (low[:2] >= -room.size[:2] / 2).all() and (high <= room.size / (2, 2, 1)).all()


def test_objects_do_not_interpenetrate(layout: tuple[Room, tuple[Instance, ...]]) -> None:
    instances = [i for i in layout[1] if not i.structure]
    for i, first in enumerate(instances):
        for second in instances[i + 1:]:
            stacked = second.id in carried(first.id, instances)
            if not stacked and overlap(first.box, [second.box], -1e-4):
                assert separated(first, second), (first.class_name, second.class_name)


def carried(owner: int, instances: list[Instance]) -> set[int]:
    """The ids of all that stands on an instance, directly or not."""
    above = {i.id for i in instances if i.supported_by == owner}
    return above | {j for i in above for j in carried(i, instances)}


def separated(first: Instance, second: Instance) -> bool:
    """Whether a vertical plane lies between two instances (separating axis theorem)."""
    outlines = []
    for instance in (first, second):
        points = np.concatenate([part.vertices[:, :2] for part in instance.parts])
        outlines.append(points[ConvexHull(points).vertices])
    edges = np.concatenate([np.roll(outline, -1, axis=0) - outline for outline in outlines])
    normals = edges[:, ::-1] * (1, -1) / np.linalg.norm(edges, axis=1, keepdims=True)
    a, b = (outline @ normals.T for outline in outlines)
    gap = np.maximum(a.min(axis=0) - b.max(axis=0), b.min(axis=0) - a.max(axis=0))
    return bool(gap.max() > -1e-4)


def test_clean_depth_lies_on_ground_truth_of_the_same_instance(clean_scene: Path) -> None:
    points, instance = read_points(clean_scene)
    trees = {i: cKDTree(points[instance == i]) for i in np.unique(instance).tolist()}
    k = np.loadtxt(clean_scene / "intrinsics.txt")
    rows, columns = np.mgrid[0:120:6, 0:160:6]
    rays = np.stack([(columns - k[0, 2]) / k[0, 0], (rows - k[1, 2]) / k[1, 1],
                     np.ones(rows.shape)], axis=-1)
    checked = 0
    for index in range(TINY["n_frames"]):
        depth = cv2.imread(str(clean_scene / f"depth/{index}.png"), cv2.IMREAD_UNCHANGED)
        label = cv2.imread(str(clean_scene / f"instance/{index}.png"), cv2.IMREAD_UNCHANGED)
        depth, label = depth[::6, ::6] / 1000.0, label[::6, ::6]
        world_from_camera = np.loadtxt(clean_scene / f"pose/{index}.txt")
        for i in np.unique(label[depth > 0]).tolist():
            seen = (label == i) & (depth > 0)
            world = (rays[seen] * depth[seen][:, None]) @ world_from_camera[:3, :3].T
            distance = trees[i].query(world + world_from_camera[:3, 3])[0]
            assert distance.max() < 0.01 * np.sqrt(3) + 0.003
            checked += len(distance)
    assert checked > 2000


def test_queries_are_answered_by_ground_truth(clean_scene: Path) -> None:
    points, instance = read_points(clean_scene)
    scene = read_json(clean_scene / "scene.json")
    objects = {i["id"]: i for i in scene["instances"] if not i["structure"]}
    queries = read_json(clean_scene / "queries.json")["queries"]
    present = [query for query in queries if not query.get("absent")]
    assert {len(query) for query in queries if query.get("absent")} == {2}
    assert len(queries) - len(present) >= 3
    assert len(present) == len({i["class"] for i in objects.values()})
    assert len({query["text"] for query in queries}) == len(queries)
    answered = set()
    for query in present:
        for position in query["positions"]:
            near = np.linalg.norm(points - np.array(position), axis=1) <= query["radius"]
            right = int(instance[np.linalg.norm(points - np.array(position), axis=1).argmin()])
            extent = np.ptp(points[instance == right], axis=0).max()
            assert near.any() and extent <= query["max_extent"]
            assert right in query["instances"]
            answered.add(right)
        assert len(query["instances"]) == len(query["positions"])
    assert answered == set(objects)


def test_refuses_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="new or empty"):
        synthesize(tmp_path, SynthSettings(**TINY))
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        assert len(list(tmp_path.iterdir())) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(tmp_path / "scene", SynthSettings(**TINY), interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("values", [
    {"n_frames": 1}, {"width": 0}, {"seed": -1}, {"min_objects": 25, "max_objects": 20},
    {"depth_noise": float("nan")},
])
def test_settings_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        SynthSettings(**values)


def test_camera_stays_clear_of_objects(layout: tuple[Room, tuple[Instance, ...]]) -> None:
    room, instances = layout
    path = camera_path(room, instances, 120, np.random.default_rng(3))
    boxes = [instance.box for instance in instances if not instance.structure]
    for room_from_camera in path:
        eye = room_from_camera[:3, 3]
        assert not overlap((eye, eye), boxes, 0.05)
        assert (np.abs(eye[:2]) < room.size[:2] / 2 - 0.2).all()
    steps_m = np.linalg.norm(np.diff(path[:, :3, 3], axis=0), axis=1)
    turns = np.einsum("ij,ij->i", path[:-1, :3, 2], path[1:, :3, 2])
    assert steps_m.max() < 0.3 and np.degrees(np.arccos(turns.min())) < 20


def test_renderer_sees_a_textured_box_where_it_is(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4] = (0, 0, 255)
    picture[4:] = (255, 0, 0)
    cv2.imwrite(str(tmp_path / "flag.png"), picture)
    target = box((-0.5, 2.0, -0.5), (0.5, 2.2, 0.5), tmp_path / "flag.png", tile_m=1.0)
    k = Intrinsics(100.0, 100.0, 79.5, 59.5, 160, 120)
    renderer = Renderer((Instance(7, "flag", (target,)),), k, np.array([[0, 0, 2.0]] * 2))
    room_from_camera = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    view = renderer.render(room_from_camera)
    assert view.depth[60, 80] == pytest.approx(2.0, abs=1e-4)
    assert view.instance[60, 80] == 7 and view.instance[0, 0] == 0 and view.depth[0, 0] == 0
    assert (view.instance == 7).sum() == pytest.approx(50 * 50, rel=0.05)
    assert view.rgb[50, 80].argmax() == 0 and view.rgb[70, 80].argmax() == 2


def test_depth_noise_grows_with_distance_and_leaves_holes() -> None:
    sensor, rng = DepthSensor(585.0), np.random.default_rng(0)
    flat, facing = np.ones((120, 160), np.float32), np.ones((120, 160), np.float32)
    spread = []
    for distance in (1.0, 2.0, 4.0):
        depth = sensor.measure(distance * flat, facing, rng) / 1000.0
        assert abs(np.median(depth[depth > 0]) - distance) < 0.01 * distance ** 2
        spread.append(depth[depth > 0].std())
    assert 2.5 < spread[1] / spread[0] < 5 and 2.5 < spread[2] / spread[1] < 5
    assert (sensor.measure(5.0 * flat, facing, rng) == 0).all()
    assert (sensor.measure(flat, 0.02 * facing, rng) == 0).mean() > 0.95
    step = np.where(np.arange(160) < 80, 2.5, 1.0).astype(np.float32) * flat
    holes = sensor.measure(step, facing, rng) == 0
    assert holes[:, 55:78].mean() > 0.9 and holes[:, :40].mean() < 0.05


def test_clean_sensor_only_rounds() -> None:
    depth = np.linspace(0.5, 4.4, 120 * 160, dtype=np.float32).reshape(120, 160)
    measured = DepthSensor(585.0, 0.0).measure(depth, np.ones_like(depth),
                                               np.random.default_rng(0))
    assert np.abs(measured / 1000.0 - depth).max() <= 0.00051


def test_texture_levels_average(tmp_path: Path) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, ::2] = 200
    cv2.imwrite(str(tmp_path / "stripes.png"), picture)
    atlas = TextureAtlas([tmp_path / "stripes.png"])
    texture, uv = np.array([1], np.int32), np.array([[0.5 / 64, 0.5]], np.float32)
    fine = atlas.sample(texture, uv, np.zeros(1, np.float32))
    coarse = atlas.sample(texture, uv, np.full(1, 9, np.float32))
    np.testing.assert_allclose(fine, 200)
    np.testing.assert_allclose(coarse, 100, atol=1)


def test_stacked_offset_is_the_gap() -> None:
    lower = box((0, 0, 0), (1, 1, 1))
    upper = box((0.2, 0.2, 1.5), (0.4, 0.4, 1.7))
    assert rest_offset((upper,), (lower,), 2.0) == pytest.approx(-0.5, abs=1e-5)
    apart = upper.transformed(pose(3, 0, 0))
    assert np.isnan(rest_offset((apart,), (lower,), 2.0))


def test_all_models_of_the_catalog_read_at_their_size(catalog: Catalog) -> None:
    for entry in catalog.classes.values():
        for asset in entry.models:
            model = catalog.model(entry.name, asset, entry.up[0])
            if len(entry.size_m) == 1:
                assert model.extent_m.max() == pytest.approx(entry.size_m[0], rel=1e-3)
            assert min(part.vertices[:, 2].min() for part in model.parts) == pytest.approx(
                0, abs=1e-4)


@pytest.mark.parametrize("content", [b"", b"\0" * 16, b"\xff" * 64, b"\1\0\0\0" * 40])
def test_damaged_meshes_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mesh"
    path.write_bytes(content)
    for read in (read_msh, read_stl):
        with pytest.raises(InputError):
            read(path)


@pytest.mark.parametrize("text", [
    "", "not xml", "<mujoco/>",
    '<mujoco><worldbody><body><geom type="mesh" mesh="gone"/></body></worldbody></mujoco>',
    '<mujoco><worldbody><body><geom mesh="a" rgba="1 one 1 1"/></body></worldbody></mujoco>',
])
def test_damaged_models_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.xml"
    path.write_text(text)
    with pytest.raises(InputError):
        read_model(path)

"""Rooms spoiled as people's recordings are: what is said, and that its flag mends it."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from helpers.worlds import BOXES, fused, tabletop, write_folder
from scipy.spatial.transform import Rotation

from om3d_core.commands import doctor
from om3d_core.doctor.scene import examine_scene
from om3d_core.errors import Om3dError, SourceError
from om3d_core.settings import build
from om3d_core.sources.folder import FolderSettings, FolderSource
from om3d_core.sources.settings import SourceSettings

OPENGL = np.diag([1.0, -1, -1, 1])
BODY = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])


def times(factor):
    def apply(depth):
        return np.clip(np.rint(depth * float(factor)), 0, 65535).astype(np.uint16)

    return apply


def along_ray(depth):
    y, x = (np.mgrid[:120, :160] - [[[59.5]], [[79.5]]]) / 152
    return np.clip(depth * np.sqrt(1 + x**2 + y**2), 0, 65535).astype(np.uint16)


def in_millimeters(pose):
    return np.vstack([pose[:3] * [1, 1, 1, 1000], pose[3:]])


SPOILED = {
    "depth of TUM": ({"depth": times(5)}, "depth units", "--depth.units_per_m 5000"),
    "depth of Replica": ({"depth": times(6.5535)}, "depth units", "--depth.units_per_m 6553.5"),
    "inverse": ({"pose": np.linalg.inv}, "pose inverse", "--folder.pose camera_from_map"),
    "OpenGL": ({"pose": lambda m: m @ OPENGL}, "pose axes", "--folder.camera_axes opengl"),
    "body": (
        {"pose": lambda m: m @ np.linalg.inv(BODY)}, "pose axes", "--folder.camera_axes ros"
    ),
    "millimeters": ({"pose": in_millimeters}, "pose units", "--folder.pose_units_per_m 1000"),
    "along the ray": ({"depth": along_ray}, "depth along ray", "--folder.depth_along ray"),
    "inverse of OpenGL": (
        {"pose": lambda m: np.linalg.inv(m @ OPENGL)}, "pose inverse, pose axes",
        "--folder.pose camera_from_map --folder.camera_axes opengl",
    ),
    "inverse, depth of TUM": (
        {"pose": np.linalg.inv, "depth": times(5)}, "pose inverse, depth units",
        "--folder.pose camera_from_map --depth.units_per_m 5000",
    ),
    "intrinsics of large images": (
        {"k": lambda k: np.diag([4.05, 4.03, 1]) @ k}, "intrinsics",
        "--folder.intrinsics_width 645 --folder.intrinsics_height 481",
    ),
    "intrinsics of small images": (
        {"k": lambda k: np.diag([0.5, 0.5, 1]) @ k}, "intrinsics",
        "--folder.intrinsics_width 80 --folder.intrinsics_height 60",
    ),
    "another focal length": (
        {"k": lambda k: k * [[1.5, 1, 1], [1, 1.5, 1], [1, 1, 1]]}, "intrinsics",
        "--folder.intrinsics 152.0,152.0,79.5,59.5",
    ),
    "intrinsics in shares": (
        {"k": lambda k: np.diag([1 / 160, 1 / 120, 1]) @ k}, "intrinsics",
        "--folder.intrinsics_scaling normalized",
    ),
}  # fmt: skip


TURNED = {
    "clockwise": (cv2.ROTATE_90_CLOCKWISE, lambda k: [[152, 0, 59.5], [0, 152, 79.5], [0, 0, 1]]),
    "upside_down": (cv2.ROTATE_180, lambda k: k),
}


@pytest.mark.parametrize("how", TURNED)
@pytest.mark.parametrize("axes", [np.eye(4), OPENGL])
def test_images_that_were_turned_without_their_poses(spoiled, how, axes):
    turn, k = TURNED[how]
    folder = spoiled(color=lambda c: cv2.rotate(c, turn), depth=lambda d: cv2.rotate(d, turn), k=k,
                     pose=lambda m: m @ axes)  # fmt: skip
    (finding,) = examine_scene(folder).findings
    also = "--folder.camera_axes opengl " if axes is OPENGL else ""
    assert finding.flag == f"{also}--folder.images_turned {how}"
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


@pytest.mark.parametrize(("how", "flip"), [("left_right", np.fliplr), ("up_down", np.flipud)])
@pytest.mark.parametrize("axes", [np.eye(4), OPENGL])
def test_depth_that_is_mirrored(spoiled, room, how, flip, axes):
    folder = spoiled(depth=flip, pose=lambda m: m @ axes)
    (finding,) = examine_scene(folder).findings
    also = "--folder.camera_axes opengl " if axes is OPENGL else ""
    assert finding.flag == f"{also}--folder.depth_flipped {how}"
    assert doctor.main([str(folder), *finding.flag.split()]) == 0
    straight = next(iter(FolderSource(folder, FolderSettings(depth_flipped=how))))
    np.testing.assert_array_equal(straight.depth, next(iter(FolderSource(room))).depth)


@pytest.mark.parametrize("inverted", [False, True])
def test_quaternions_of_the_other_order(spoiled, inverted):
    folder = spoiled(pose=np.linalg.inv if inverted else lambda m: m)
    for file in (folder / "pose").iterdir():
        pose = np.loadtxt(file)
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        file.write_text(" ".join(map(str, [*pose[:3, 3], w, x, y, z])))
    (finding,) = examine_scene(folder).findings
    also = " --folder.pose camera_from_map" if inverted else ""
    assert finding.flag == f"--folder.quaternions wxyz{also}"
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


def test_poses_of_a_scale_of_their_own(spoiled):
    units_per_m = 0.37
    scale = np.array([[1, 1, 1, units_per_m]] * 3 + [[1] * 4])
    folder = spoiled(pose=lambda m: m * scale)
    (finding,) = examine_scene(folder).findings
    flag, found = finding.flag.split()
    assert flag == "--folder.pose_units_per_m"
    assert float(found) == pytest.approx(units_per_m, rel=0.01)
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


def as_floats(folder, units_per_m):
    for file in (folder / "depth").iterdir():
        stored = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) / 1000 * units_per_m
        np.save(file.with_suffix(".npy"), stored.astype(np.float32))
        file.unlink()


@pytest.mark.parametrize("units_per_m", [1000, 5])
def test_depth_of_floats_in_other_units(spoiled, units_per_m):
    folder = spoiled()
    as_floats(folder, units_per_m)
    (finding,) = examine_scene(folder).findings
    assert finding.flag == f"--folder.depth_units_per_m {units_per_m}"
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


def test_depth_of_floats_in_meters_where_the_layout_says_millimeters(spoiled):
    folder = spoiled()
    as_nerfstudio(folder, OPENGL)
    as_floats(folder, 1)
    file = folder / "transforms.json"
    file.write_text(file.read_text().replace('.png", "transform', '.npy", "transform'))
    (finding,) = examine_scene(folder).findings
    assert finding.flag == "--folder.depth_units_per_m 1"
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


def test_a_camera_file_whose_sides_are_swapped(spoiled):
    folder = spoiled()
    (folder / "intrinsics.txt").unlink()
    k = [[152, 0, 79.5], [0, 152, 59.5], [0, 0, 1]]
    (folder / "camera.json").write_text(json.dumps({"width": 120, "height": 160, "K": k}))
    (finding,) = examine_scene(folder).findings
    assert finding.flag == "--folder.intrinsics_width 160 --folder.intrinsics_height 120"
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


@pytest.mark.parametrize("name", SPOILED)
def test_the_fault_is_named_and_its_flag_mends_it(spoiled, name, capsys):
    how, kind, flag = SPOILED[name]
    folder = spoiled(**how)
    (finding,) = examine_scene(folder).findings
    assert (finding.kind, finding.flag) == (kind, flag)
    assert finding.cure
    assert doctor.main([str(folder), *finding.flag.split()]) == 0
    assert "no fault found" in capsys.readouterr().out


def as_nerfstudio(folder, axes):
    """The same scene as nerfstudio's layout, with a pose for each of its images."""
    frames = [
        {"file_path": f"color/{n}.png", "depth_file_path": f"depth/{n}.png",
         "transform_matrix": (np.loadtxt(folder / f"pose/{n}.txt") @ axes).tolist()}
        for n in range(14)
    ]  # fmt: skip
    k = np.loadtxt(folder / "intrinsics.txt")
    camera = {"fl_x": k[0, 0], "fl_y": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]}
    (folder / "transforms.json").write_text(json.dumps({**camera, "frames": frames}))
    shutil.rmtree(folder / "pose")


@pytest.mark.parametrize(("how", "axes", "flag"), [
    ({}, OPENGL, ""),
    ({}, np.eye(4), "--folder.camera_axes optical"),
    ({"pose": lambda m: np.linalg.inv(m @ OPENGL) @ OPENGL}, OPENGL,
     "--folder.pose camera_from_map"),
    ({"depth": times(5)}, OPENGL, "--folder.depth_units_per_m 5000"),
])
def test_flags_are_told_on_top_of_what_a_layout_says(spoiled, how, axes, flag):
    folder = spoiled(**how)
    as_nerfstudio(folder, axes)
    found = examine_scene(folder)
    assert "read as the layout nerfstudio" in found.told
    assert [finding.flag for finding in found.findings] == ([flag] if flag else [])
    assert doctor.main([str(folder), *flag.split()]) == 0


def test_a_healthy_room_has_none(room):
    found = examine_scene(room)
    assert not found.findings
    assert any(text.startswith("frames agree: 0.") for text in found.told)


@pytest.mark.parametrize("count", [1, 3])
def test_few_frames_are_no_fault(spoiled, count):
    found = examine_scene(spoiled(numbers=range(count)))
    assert not found.findings
    assert "agree" in found.told[-1]


def test_color_of_another_aspect(spoiled):
    found = examine_scene(spoiled(
        color=lambda c: cv2.resize(c, (320, 240))[30:210],
        k=lambda k: np.array([[2, 0, 0.5], [0, 2, -29.5], [0, 0, 1]]) @ k,
    ))
    (finding,) = found.findings
    assert finding.kind == "registration" and "aligned" in finding.cure and not finding.flag


def test_no_depth(spoiled):
    (finding,) = examine_scene(spoiled(depth=np.zeros_like)).findings
    assert (finding.kind, finding.flag) == ("no depth", "--depth.units_per_m")


def test_poses_that_are_all_the_same(spoiled):
    (finding,) = examine_scene(spoiled(pose=lambda m: np.eye(4))).findings
    assert finding.kind == "static poses"


def test_intrinsics_that_no_size_is_right_for(spoiled):
    folder = spoiled(k=lambda k: k * [[1, 1, -1], [1, 1, 1], [1, 1, 1]])
    (finding,) = examine_scene(folder).findings
    assert finding.kind == "intrinsics" and "principal point" in finding.evidence


def test_poses_of_no_known_fault(spoiled):
    rng = np.random.default_rng(0)

    def shaken(pose):
        pose[:3, 3] += rng.normal(0, 0.5, 3)
        return pose

    (finding,) = examine_scene(spoiled(pose=shaken)).findings
    assert finding.kind == "agreement" and not finding.flag


def test_poses_that_no_frame_takes(spoiled):
    found = examine_scene(spoiled(pose=lambda m: m * np.nan))
    assert [f.kind for f in found.findings] == ["frames skipped"]
    assert "14 x pose invalid" in found.findings[0].evidence


def test_poses_in_millimeters_beyond_all_limits(spoiled):
    def far(pose):
        pose[:3, 3] += 50
        return in_millimeters(pose)

    folder = spoiled(pose=far)
    (finding,) = examine_scene(folder).findings
    assert (finding.kind, finding.flag) == ("pose units", "--folder.pose_units_per_m 1000")
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


def test_poses_of_a_world_whose_origin_is_far_off(spoiled, frames):
    far = np.array([-500_123.4, 5_300_456.7, 512])
    folder = spoiled(pose=lambda m: m + np.outer([*far, 0], [0, 0, 0, 1]))
    points = fused(frames[::3], 0.03).points + far
    rows = "".join("{:.4f} {:.4f} {:.4f}\n".format(*point) for point in points)
    names = "".join(f"property double {name}\n" for name in "xyz")
    (folder / "scene.ply").write_text(
        f"ply\nformat ascii 1.0\nelement vertex {rows.count(chr(10))}\n{names}end_header\n{rows}"
    )
    (finding,) = examine_scene(folder).findings
    assert finding.kind == "origin" and finding.flag.startswith("--folder.origin=-500123,53004")
    assert "frames agree" in finding.evidence and "the cloud: " in finding.evidence
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


@pytest.mark.parametrize("how", [{}, {"pose": np.linalg.inv}])
def test_without_intrinsics_the_focal_length_is_found(spoiled, how):
    folder = spoiled(**how)
    (folder / "intrinsics.txt").unlink()
    found = examine_scene(folder).findings
    also = ["pose inverse"] if how else []
    assert [finding.kind for finding in found] == ["no intrinsics", *also]
    assert found[0].flag == "--folder.intrinsics 152.0,152.0,79.5,59.5"
    assert doctor.main([str(folder), *" ".join(one.flag for one in found).split()]) == 0


def test_without_intrinsics_a_camera_that_stands_still_is_refused(spoiled):
    folder = spoiled(numbers=range(1))
    (folder / "intrinsics.txt").unlink()
    with pytest.raises(SourceError, match=r"no intrinsics; expected .*--folder\.intrinsics"):
        examine_scene(folder)


def test_what_is_no_scene_is_refused(tmp_path):
    with pytest.raises(SourceError, match="an empty folder"):
        examine_scene(tmp_path)


def test_live_topics_need_the_nodes():
    with pytest.raises(Om3dError, match="needs ROS 2"):
        doctor.main(["--live"])


def test_the_exit_status_and_the_json_tell_of_faults(spoiled, tmp_path, capsys):
    from om3d_core.files import read_json

    folder, out = spoiled(pose=np.linalg.inv), tmp_path / "found.json"
    assert doctor.main([str(folder), "--json", str(out)]) == 1
    shown = capsys.readouterr().out
    assert "1 fault" in shown and "--folder.pose camera_from_map" in shown
    (finding,) = read_json(out)["findings"]
    assert set(finding) == {"kind", "said", "evidence", "cure", "flag"}
    assert finding["kind"] == "pose inverse"


def test_a_real_clip_has_no_fault(shared_data):
    folder = shared_data / "data" / "redkitchen"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    found = examine_scene(folder)
    assert not found.findings
    assert any(text.startswith("frames agree") for text in found.told)


def test_what_was_asked_for_is_said_as_it_may_be_the_fault(room):
    settings = build(SourceSettings, {"folder.pose": "camera_from_map"})
    found = examine_scene(room, settings)
    assert found.findings[0].kind == "pose inverse"
    assert "read with --folder.pose camera_from_map, as asked" in found.told


def test_a_mesh_of_few_vertices_is_to_be_sampled(spoiled):
    import open3d as o3d

    floor = o3d.geometry.TriangleMesh.create_box(6.0, 6.0, 6.0).subdivide_midpoint(5)
    mesh = floor.translate([-3.0, -3.0, -6.0])
    for center, size, _ in BOXES.values():
        box = o3d.geometry.TriangleMesh.create_box(*size)
        mesh += box.translate(np.array(center) - np.array(size) / 2)
    folder = spoiled()
    o3d.io.write_triangle_mesh(str(folder / "scene.ply"), mesh)
    (finding,) = examine_scene(folder).findings
    assert (finding.kind, finding.flag) == ("sparse cloud", "--folder.cloud_sampling_m 0.02")
    assert doctor.main([str(folder), *finding.flag.split()]) == 0


def test_few_frames_that_see_little_of_each_other_are_no_fault(tmp_path):
    """Three views around a table: less than half of a frame is seen in another."""
    write_folder(tmp_path, tabletop(3, 160, 120))
    assert not examine_scene(tmp_path).findings

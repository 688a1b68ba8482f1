"""Layouts as people have them: other names, other encodings, some of the frames."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
from helpers.layouts import WRITERS, N, assert_frames, open_folder, quaternion, row
from helpers.recorded_scene import HEIGHT, WIDTH, K, pose_of

from om3d_core.errors import SourceError
from om3d_core.sources.open import open_source


def associated(path, depth_first=False, numbered=False):
    """One list of pairs, and images whose names tell no time."""
    lines = []
    for n in range(N):
        t, late = f"{1305031102.175304 + n / 10:.6f}", f"{1305031102.180304 + n / 10:.6f}"
        (path / f"rgb/{t}.png").rename(path / f"rgb/{n}.png")
        (path / f"depth/{late}.png").rename(path / f"depth/{n}.png")
        stamps = (str(n), str(n)) if numbered else (t, late)
        pair = [f"{stamps[0]} rgb/{n}.png", f"{stamps[1]} depth/{n}.png"]
        lines.append(" ".join(pair[::-1] if depth_first else pair))
    (path / "associations.txt").write_text("# pairs\n" + "\n".join(lines) + "\n")
    (path / "rgb.txt").unlink()
    (path / "depth.txt").unlink()


def icl(path):
    """ICL-NUIM: poses by number, depth first."""
    associated(path, depth_first=True, numbered=True)
    (path / "groundtruth.txt").unlink()
    lines = [f"{n} {row(pose_of(n)[:3, 3])} {row(quaternion(pose_of(n)))}" for n in range(N)]
    (path / "livingRoom2n.gt.freiburg").write_text("\n".join(lines))


def other_poses(suffix, write):
    def apply(path):
        for n in range(N):
            write(path / f"pose/{n}{suffix}", pose_of(n))
            (path / f"pose/{n}.txt").unlink()

    return apply


def capital_names(path):
    for name, other in (("color", "RGB"), ("depth", "Depth"), ("pose", "Poses")):
        (path / name).rename(path / other)


def from_macos(path):
    for file in [*path.glob("*/*"), path / "intrinsics.txt"]:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7" * 20)


def underscores(path):
    for file in (path / "seq-01").iterdir():
        file.rename(file.with_name(file.name.replace(".color", "_rgb").replace(
            ".depth", "_depth").replace(".pose", "_pose")))  # fmt: skip


def transforms(change, name="transforms.json"):
    def apply(path):
        file = path / "transforms.json"
        content = json.loads(file.read_text())
        change(content, path)
        file.unlink()
        (path / name).write_text(json.dumps(content))

    return apply


def pinhole_cameras(path):
    """Open3D's PinholeCameraTrajectory in the place of its .log and camera."""
    intrinsic = json.loads((path / "camera_intrinsic.json").read_text())
    parameters = [
        {"extrinsic": np.linalg.inv(pose_of(n)).T.ravel().tolist(), "intrinsic": intrinsic}
        for n in range(N)
    ]
    (path / "camera_trajectory.json").write_text(json.dumps({"parameters": parameters}))
    (path / "camera_intrinsic.json").unlink()
    (path / "scene/trajectory.log").unlink()


def json_poses(name, content):
    def apply(path):
        (path / "poses.txt").unlink()
        (path / name).write_text(json.dumps(content([pose_of(n) for n in range(N)])))

    return apply


def without_size(content, _):
    del content["w"], content["h"]


def at_a_scale(content, path):
    content["integer_depth_scale"] = 10 / 65535
    for file in (path / "depth").iterdir():
        stored = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(file), np.rint(stored * 6.5535).astype(np.uint16))


def depth_beside(content, path):
    """No frame names its depth, whose names have only the numbers of the images."""
    for entry in content["frames"]:
        file = path / entry.pop("depth_file_path")
        file.rename(file.with_name(f"d{int(file.stem.split('_')[-1])}.png"))


def own_cameras(content, _):
    for entry in content["frames"]:
        entry |= {name: content[name] for name in ("fl_x", "fl_y", "cx", "cy", "w", "h")}
    for name in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
        del content[name]


def stamped(units, name, header="", numbered=False, per_frame=100_000_000):
    """Names that are stamps in ns, and a line with a stamp in other units for each."""
    def apply(path):
        lines = [header] if header else []
        for n in range(N):
            stamp = 1_305_031_102_175_304_000 + n * per_frame
            if not numbered:
                for kind in ("color", "depth"):
                    (path / f"{kind}/{n}.png").rename(path / f"{kind}/{stamp}.png")
            values = [*pose_of(n)[:3, 3], *quaternion(pose_of(n))]
            told = [str(stamp // units), *([f"{n:06d}"] if numbered else [])]
            lines.append(", ".join([*told, *map(str, values)]))
        (path / "poses.txt").unlink()
        (path / name).write_text("\n".join(lines))

    return apply


STRAY = "timestamp, frame, x, y, z, qx, qy, qz, qw"
VARIANTS = {
    "stamps in ns": ("pose_lines", stamped(1, "trajectory.txt", "#timestamp [ns],p_x,p_y,p_z")),
    "stamps in us": ("pose_lines", stamped(1000, "poses.csv", "timestamp,x,y,z,qx,qy,qz,qw")),
    "Stray Scanner": ("pose_lines", stamped(10**6, "odometry.csv", STRAY, numbered=True)),
    "associations": ("tum", associated),
    "ICL-NUIM": ("tum", icl),
    "poses in .csv": (
        "own", other_poses(".csv", lambda p, m: p.write_text(",".join(map(str, m.ravel()))))
    ),
    "poses in .npy": ("own", other_poses(".npy", np.save)),
    "names in capitals": ("own", capital_names),
    "hidden files": ("own", from_macos),
    "K.txt": ("own", lambda path: (path / "intrinsics.txt").rename(path / "K.txt")),
    "intrinsics.npy": ("own", lambda path: (
        (path / "intrinsics.txt").unlink(), np.save(path / "intrinsics.npy", K)
    )),
    "traj_w_c.txt": (
        "pose_lines", lambda path: (path / "poses.txt").rename(path / "traj_w_c.txt")
    ),
    "poses.npy": ("pose_lines", lambda path: (
        (path / "poses.txt").unlink(),
        np.save(path / "poses.npy", np.stack([pose_of(n) for n in range(N)])),
    )),
    "matrices in JSON": ("pose_lines", json_poses(
        "poses.json", lambda poses: [pose.tolist() for pose in poses]
    )),
    "matrices by name": ("pose_lines", json_poses(
        "trajectory.json", lambda poses: {f"rgb/{n:04d}.jpg": pose[:3].tolist()
                                          for n, pose in reversed(list(enumerate(poses)))}
    )),
    "cameras of Gaussian splatting": ("pose_lines", json_poses(
        "cameras.json", lambda poses: [
            {"id": n, "img_name": str(n), "position": pose[:3, 3].tolist(),
             "rotation": pose[:3, :3].tolist(), "fx": 1.0}
            for n, pose in reversed(list(enumerate(poses)))
        ]
    )),
    "names with underscores": ("seven_scenes", underscores),
    "cameras of Open3D": ("open3d", pinhole_cameras),
    "frames to train with": (
        "nerfstudio", transforms(lambda *_: None, "transforms_train.json")
    ),
    "a camera without its size": ("nerfstudio", transforms(without_size)),
    "depth with its scale": ("nerfstudio", transforms(at_a_scale)),
    "depth in a folder beside": ("nerfstudio", transforms(depth_beside)),
    "a camera a frame": ("nerfstudio", transforms(own_cameras)),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_it_is_read(tmp_path, name):
    layout, change = VARIANTS[name]
    path = WRITERS[layout](tmp_path / "scan")
    change(path)
    source = open_source(path)
    assert source.layout_name == layout
    assert_frames(source, 1e-4 if name == "depth with its scale" else 1e-6)


def test_the_angle_of_view_is_enough_of_a_camera(tmp_path):
    path = WRITERS["nerfstudio"](tmp_path / "scan")

    def angle(content, _):
        for name in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
            del content[name]
        content["camera_angle_x"] = 2 * math.atan(0.5 * WIDTH / 30)

    transforms(angle)(path)
    matrix = np.array([[30.0, 0, WIDTH / 2], [0, 30, HEIGHT / 2], [0, 0, 1]])
    assert_frames(open_folder(path), camera=matrix)


def test_without_a_camera_transforms_need_the_flag(tmp_path):
    path = WRITERS["nerfstudio"](tmp_path / "scan")

    def none(content, _):
        for name in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
            del content[name]

    transforms(none)(path)
    with pytest.raises(SourceError, match="no intrinsics; expected fl_x, or camera_angle_x"):
        open_folder(path)
    assert_frames(open_folder(path, intrinsics="30,31,16.5,11.5"))


def test_an_angle_of_view_of_zero_is_refused(tmp_path):
    path = WRITERS["nerfstudio"](tmp_path / "scan")

    def flat(content, _):
        del content["fl_x"]
        content["camera_angle_x"] = 0.0

    transforms(flat)(path)
    with pytest.raises(SourceError, match=r"transforms\.json"):
        open_folder(path)


def images_of(path, numbers):
    """Of the images of a recording these, of names that are their numbers."""
    for file in [*path.glob("color/*"), *path.glob("depth/*")]:
        if int(file.stem) in numbers:
            file.rename(file.with_stem(str(numbers[int(file.stem)])))
        else:
            file.unlink()


def placed(path):
    return [round(frame.map_from_camera[0, 3] * 10) for frame in open_folder(path)]


@pytest.mark.parametrize(("blocks", "named", "placed_at"), [
    ((0, 2), {0: 0, 1: 1, 2: 2}, [0, 2]),
    ((0, 1, 2), {0: 0, 2: 2}, [0, 2]),
    ((0, 2), {0: 1, 1: 2, 2: 3}, [0, 2]),
])
def test_a_trajectory_of_open3d_tells_which_frame_a_pose_is_of(
    tmp_path, blocks, named, placed_at
):
    path = WRITERS["open3d"](tmp_path / "scan")
    lines = [f"{n} {n} {n + 1}\n" + "\n".join(map(row, pose_of(n))) for n in blocks]
    (path / "scene/trajectory.log").write_text("\n".join(lines) + "\n")
    images_of(path, named)
    assert placed(path) == placed_at


@pytest.mark.parametrize("text", ["[]", "{}", '{"parameters": []}', '{"parameters": [1]}',
                                  '{"parameters": [{"extrinsic": [1, 2]}]}', "{"])
def test_damaged_cameras_of_open3d_are_named(tmp_path, text):
    path = WRITERS["open3d"](tmp_path / "scan")
    pinhole_cameras(path)
    (path / "camera_trajectory.json").write_text(text)
    with pytest.raises(SourceError, match=r"camera_trajectory\.json: expected parameters"):
        open_folder(path)


def test_every_second_image_of_a_line_of_poses_a_frame(tmp_path):
    path = WRITERS["pose_lines"](tmp_path / "scan")
    images_of(path, {0: 0, 2: 2})
    assert placed(path) == [0, 2]


def test_images_of_which_nothing_tells_the_pose_are_refused(tmp_path):
    path = WRITERS["pose_lines"](tmp_path / "scan")
    images_of(path, {0: 0, 1: 1})
    with pytest.raises(SourceError, match="a pose for each of 2 color images"):
        open_folder(path)


def test_the_frames_of_a_video_are_to_be_taken_out(tmp_path):
    path = WRITERS["pose_lines"](tmp_path / "scan")
    for file in (path / "color").iterdir():
        file.unlink()
    (path / "color").rmdir()
    (path / "rgb.mp4").touch()
    with pytest.raises(SourceError, match=r"found rgb\.mp4; .*ffmpeg -i rgb\.mp4"):
        open_source(path)


def test_poses_in_another_format_are_named(tmp_path):
    path = WRITERS["own"](tmp_path / "scan")
    for file in (path / "pose").iterdir():
        file.rename(file.with_suffix(".json"))
    with pytest.raises(SourceError, match=r"no poses; expected .*found pose/0\.json"):
        open_folder(path)


@pytest.mark.parametrize(("content", "said"), [
    ("{", "poses: a list"), ([], "1 .. 1000000"), ([[1, 2]], "got 2 numbers"), ("x", "got str"),
    ([{"pose": K.tolist()}], "got 9 numbers"), ({"a": None}, "a: expected"), (3, "got int"),
    ([{"pose": np.eye(4).tolist(), "c2w": np.eye(4).tolist()}], "got pose, c2w"),
    ({"left": np.eye(4).tolist()}, "by the names of color images, each once.*got left"),
    ([np.eye(4).tolist()], "a pose for each of 3"), ([{"name": "0"}], "one of pose"),
    ([{"name": n, "pose": np.eye(4).tolist()} for n in "00"], "a name of its own for each pose"),
])
def test_json_that_tells_no_poses_is_said(tmp_path, content, said):
    path = WRITERS["pose_lines"](tmp_path / "scan")
    (path / "poses.txt").unlink()
    text = content if content == "{" else json.dumps(content)
    (path / "poses.json").write_text(text)
    with pytest.raises(SourceError, match=rf"poses\.json: .*{said}"):
        open_source(path)


def test_poses_in_json_beside_another_layout_do_not_make_two(tmp_path):
    path = WRITERS["colmap"](tmp_path / "scan")
    (path / "cameras.json").write_text("[]")
    assert_frames(open_source(path))

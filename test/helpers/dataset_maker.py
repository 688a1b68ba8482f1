"""Small scenes in the official layouts of ScanNet, ScanNet++ and Replica."""

from __future__ import annotations

import json
import struct
import zlib

import cv2
import numpy as np

from helpers.worlds import BOXES, FLOOR, tabletop

LABELS = {
    "scannet": {"floor": "floor", "table": "table", "red": "trash can", "green": "bottle",
                "blue": "mystery"},
    "scannetpp": {"floor": "floor", "table": "table", "red": "trash can", "green": "bottle",
                  "blue": "no such label"},
    "replica": {"floor": 40, "table": 80, "red": 10, "green": 14, "blue": 0},
}  # fmt: skip
SPACING_M = 0.02


def surface():
    """Points (P, 3), colors (P, 3) u8 and solid (P,) of the floor (0) and of each box in order."""
    points, colors, solid = [], [], []
    for number, (center, size, color) in enumerate([FLOOR, *BOXES.values()]):
        faces = []
        step = 0.1 if number == 0 else SPACING_M
        low, high = (np.asarray(center) + s * np.asarray(size) / 2 for s in (-1, 1))
        for axis in range(3):
            a, b = (i for i in range(3) if i != axis)
            grid = np.meshgrid(np.arange(low[a], high[a], step), np.arange(low[b], high[b], step))
            for side in (low, high):
                face = np.empty((grid[0].size, 3))
                face[:, axis] = side[axis]
                face[:, a], face[:, b] = grid[0].ravel(), grid[1].ravel()
                faces.append(face)
        box = np.concatenate(faces)
        points.append(box)
        colors.append(np.tile(np.asarray(color, np.uint8), (len(box), 1)))
        solid.append(np.full(len(box), number))
    return np.concatenate(points).astype(np.float32), np.concatenate(colors), np.concatenate(solid)


def write_mesh(path, points, colors, faces=None, object_ids=None):
    """A binary mesh as the data sets have it: vertices with color, then faces with a property."""
    vertex = np.zeros(len(points), [("p", "<f4", 3), ("c", "u1", 3)])
    vertex["p"], vertex["c"] = points, colors
    faces = [] if faces is None else faces
    names = "".join(f"property float {n}\n" for n in "xyz")
    names += "".join(f"property uchar {n}\n" for n in ("red", "green", "blue"))
    header = (f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{names}"
              f"element face {len(faces)}\nproperty list uchar int vertex_indices\n")  # fmt: skip
    header += "property int object_id\n" if object_ids is not None else ""
    content = b""
    for i, face in enumerate(faces):
        content += struct.pack(f"<B{len(face)}i", len(face), *face)
        content += b"" if object_ids is None else struct.pack("<i", object_ids[i])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((header + "end_header\n").encode() + vertex.tobytes() + content)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def encoded(image, suffix):
    return cv2.imencode(suffix, image)[1].tobytes()


def write_images(frames, color_path, depth_path, units_per_m=1000.0, color_size=None):
    for number, frame in enumerate(frames):
        bgr = frame.rgb[..., ::-1]
        bgr = bgr if color_size is None else cv2.resize(bgr, color_size)
        depth = np.rint(frame.depth * units_per_m).astype(np.uint16)
        for path, image in ((color_path(number), bgr), (depth_path(number), depth)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(image, path.suffix))


def write_groups(segments_path, groups_path, solid, labels):
    """Two segments a solid, so that a group has several; an annotation lists them."""
    segment = 7 * (2 * solid + np.arange(len(solid)) % 2)
    write_json(segments_path, {"params": {}, "segIndices": segment.tolist()})
    groups = [
        {"id": i, "objectId": i, "label": label, "segments": [14 * i, 14 * i + 7]}
        for i, label in enumerate(labels)
    ]
    write_json(groups_path, {"segGroups": groups})


def label_names(dataset):
    return [LABELS[dataset][name] for name in ("floor", *BOXES)]


def write_scannet(root, scene="scene0011_00", layout="exported", n_frames=4):
    """layout: exported (SensReader's folders), openmask3d (data, data_compressed) or sens."""
    folder, frames = root / "scans" / scene, tabletop(n_frames)
    points, colors, solid = surface()
    write_mesh(folder / f"{scene}_vh_clean_2.ply", points, colors)
    write_groups(folder / f"{scene}_vh_clean_2.0.010000.segs.json",
                 folder / f"{scene}.aggregation.json", solid, label_names("scannet"))  # fmt: skip
    rows = [("id", "raw_category", "category"), (3, "floor", "floor"), (4, "table", "table"),
            (56, "trash can", "trash can"), (65, "bottle", "bottle"), (20_000, "mystery", "?")]
    (root / "scannetv2-labels.combined.tsv").write_text(
        "".join("\t".join(map(str, row)) + "\n" for row in rows)
    )
    matrix = np.eye(4)
    matrix[:3, :3] = frames[0].intrinsics.resized(320, 240).matrix
    if layout == "sens":
        write_sens(folder / f"{scene}.sens", frames, matrix)
        return folder
    data = folder / "data" if layout == "openmask3d" else folder
    images = folder / "data_compressed" if layout == "openmask3d" else folder
    write_images(frames, lambda n: images / f"color/{n}.jpg", lambda n: images / f"depth/{n}.png",
                 color_size=(320, 240))  # fmt: skip
    for name in ("pose", "intrinsic"):
        (data / name).mkdir(parents=True, exist_ok=True)
    np.savetxt(data / "intrinsic/intrinsic_color.txt", matrix)
    for number, frame in enumerate(frames):
        np.savetxt(data / f"pose/{number}.txt", frame.map_from_camera)
    return folder


def write_sens(path, frames, color_intrinsics):
    """Color of 320x240."""
    packed = [
        (frame.map_from_camera, encoded(cv2.resize(frame.rgb[..., ::-1], (320, 240)), ".jpg"),
         np.rint(frame.depth * 1000))
        for frame in frames
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sens_of(packed, color_intrinsics, (320, 240)))


def sens_of(frames, color_intrinsics, color_size):
    """A .sens file of frames: pose (4, 4), encoded color, depth (H, W) in millimeters."""
    name, eye = b"StructureSensor", np.eye(4)
    height, width = frames[0][2].shape
    content = struct.pack("<IQ", 4, len(name)) + name
    for matrix in (color_intrinsics, eye, eye, eye):
        content += matrix.astype("<f4").tobytes()
    content += struct.pack("<2i4IfQ", 2, 1, *color_size, width, height, 1000.0, len(frames))
    for i, (pose, color, depth_mm) in enumerate(frames):
        depth = zlib.compress(depth_mm.astype("<u2").tobytes())
        content += pose.astype("<f4").tobytes()
        content += struct.pack("<4Q", i, i, len(color), len(depth)) + color + depth
    return content


def write_scannetpp(root, scene="7b6477cb95", n_frames=2, step=15):
    """iPhone frames 0, 15, ...: 1/10 of the real size; the focal length grows with each."""
    folder, frames = root / "data" / scene, tabletop(n_frames)
    points, colors, solid = surface()
    write_mesh(folder / "scans/mesh_aligned_0.05.ply", points, colors)
    write_groups(folder / "scans/segments.json", folder / "scans/segments_anno.json", solid,
                 label_names("scannetpp"))  # fmt: skip
    phone = folder / "iphone"
    write_images(frames, lambda n: phone / f"rgb/frame_{n * step:06d}.jpg",
                 lambda n: phone / f"depth/frame_{n * step:06d}.png", color_size=(192, 144))
    cameras = {}
    for number in range((n_frames - 1) * step + 1):
        frame = frames[number // step]
        matrix = frame.intrinsics.resized(1920, 1440).matrix
        matrix[:2, :2] *= 1 + number / 1000
        cameras[f"frame_{number:06d}"] = {
            "pose": np.eye(4).tolist(), "timestamp": number / 60,
            "aligned_pose": frame.map_from_camera.tolist(), "intrinsic": matrix.tolist(),
        }  # fmt: skip
    write_json(phone / "pose_intrinsic_imu.json", cameras)
    return folder


def write_replica(root, scene="office0", official="office_0", n_frames=12):
    frames = tabletop(n_frames)
    results = root / scene / "results"
    write_images(frames, lambda n: results / f"frame{n:06d}.jpg",
                 lambda n: results / f"depth{n:06d}.png", units_per_m=6553.5)  # fmt: skip
    np.savetxt(root / scene / "traj.txt", [f.map_from_camera.ravel() for f in frames])
    k = frames[0].intrinsics
    write_json(root / "cam_params.json", {"camera": {
        "w": k.width, "h": k.height, "fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy,
        "scale": 6553.5}})  # fmt: skip
    points, colors, solid = surface()
    corners = [np.flatnonzero(solid == i) for i in range(5)]
    faces, objects = [], []
    for number, members in enumerate(corners):
        groups = [members[i : i + 4].tolist() for i in range(0, len(members), 4)]
        faces += groups
        objects += [number + 1] * len(groups)
    habitat = root / official / "habitat"
    write_mesh(habitat / "mesh_semantic.ply", points, colors, faces, objects)
    write_json(habitat / "info_semantic.json", {"classes": [], "objects": [
        {"id": i + 1, "class_id": label, "class_name": "-"}
        for i, label in enumerate(label_names("replica"))]})  # fmt: skip
    return root / scene

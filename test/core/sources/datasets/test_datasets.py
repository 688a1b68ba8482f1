"""ScanNet, ScanNet++ and Replica in their official layouts."""

from __future__ import annotations

import json
import shutil
import struct
from collections import Counter

import numpy as np
import pytest
from helpers.dataset_maker import (
    surface,
    write_json,
    write_mesh,
    write_replica,
    write_scannet,
    write_scannetpp,
)
from helpers.tiny_models import tiny_mask3d
from helpers.worlds import tabletop

from om3d_core import cli
from om3d_core.data.scene_store import load_scene
from om3d_core.errors import SettingsError, SourceError
from om3d_core.formats.sens import read_sens
from om3d_core.sources.datasets.base import open_dataset_scene
from om3d_core.sources.datasets.replica import ReplicaScene, ReplicaSettings
from om3d_core.sources.datasets.scannet import ScanNetScene, ScanNetSettings
from om3d_core.sources.datasets.scannetpp import ScanNetPPScene, ScanNetPPSettings
from om3d_core.sources.folder import FolderSettings, FolderSource
from om3d_core.sources.open import open_source

EVERY = ScanNetSettings(step=1)


def assert_same_views(scene, stride=1, size=(160, 120)):
    """The frames are those of the tabletop, but for the coding of color and depth."""
    expected = tabletop(4 if stride == 1 else 12)[::stride]
    frames = list(scene)
    assert len(frames) == len(scene) and scene.skipped.total == 0
    for frame, reference in zip(frames, expected, strict=False):
        assert (frame.intrinsics.width, frame.intrinsics.height) == size
        np.testing.assert_allclose(frame.map_from_camera, reference.map_from_camera, atol=1e-6)
        near = frame.depth > 0
        np.testing.assert_allclose(frame.depth[near], reference.depth[near], atol=1e-3)
        difference = frame.rgb.astype(int) - reference.rgb
        assert np.abs(difference).mean() < 8


def labels_by_solid(scene, step=1):
    """The ground-truth id of each solid: of the floor, the table, and the three boxes."""
    ids, (*_, solid) = scene.ground_truth(), surface()
    assert len(ids) == len(scene.cloud())
    found = [Counter(ids[solid[::step] == number].tolist()) for number in range(5)]
    assert all(len(counts) == 1 for counts in found)
    return [next(iter(counts)) for counts in found]


@pytest.mark.parametrize("layout", ["exported", "openmask3d", "sens"])
def test_scannet(tmp_path, layout) -> None:
    write_scannet(tmp_path, layout=layout)
    scene = ScanNetScene(tmp_path, "scene0011_00", EVERY)
    assert_same_views(scene)
    assert labels_by_solid(scene) == [3001, 4001, 56001, 65001, 0]
    assert len(ScanNetScene(tmp_path, "scene0011_00")) == 1
    assert [f.stamp_ns for f in scene] == [round(i * 1e9 / 30) for i in range(4)]


def test_clouds_come_with_the_segments_that_the_data_set_ships(tmp_path) -> None:
    *_, solid = surface()
    expected = 7 * (2 * solid + np.arange(len(solid)) % 2)
    write_scannet(tmp_path)
    write_scannetpp(tmp_path)
    write_replica(tmp_path)
    scannet = ScanNetScene(tmp_path, "scene0011_00").cloud().segments
    np.testing.assert_array_equal(scannet, expected)
    scannetpp = ScanNetPPScene(tmp_path, "7b6477cb95").cloud().segments
    np.testing.assert_array_equal(scannetpp, expected[::3])
    assert ReplicaScene(tmp_path, "office0").cloud().segments is None


def test_a_scan_of_scannet_is_a_scene_folder_with_segments(tmp_path) -> None:
    folder = write_scannet(tmp_path)
    expected = ScanNetScene(tmp_path, "scene0011_00").cloud()
    write_mesh(folder / "scene0011_00_vh_clean.ply", *surface()[:2])
    cloud = FolderSource(folder).cloud()
    np.testing.assert_array_equal(cloud.points, expected.points)
    np.testing.assert_array_equal(cloud.segments, expected.segments)
    segments = folder / "scene0011_00_vh_clean_2.0.010000.segs.json"
    write_json(segments, {"segIndices": [1, 2, 3]})
    with pytest.raises(SourceError, match="expected segments of"):
        FolderSource(folder).cloud()
    segments.unlink()
    assert FolderSource(folder).cloud().segments is None


def test_a_sens_file_and_the_folder_it_lies_in_are_recordings(tmp_path) -> None:
    folder = write_scannet(tmp_path, layout="sens")
    file = folder / "scene0011_00.sens"
    expected = ScanNetScene(tmp_path, "scene0011_00", EVERY)
    for path in (folder, file, folder.parent):
        source = open_source(path)
        assert source.layout_name == "sens"
        assert_same_views(source)
        np.testing.assert_array_equal(source.cloud().segments, expected.cloud().segments)
    other = FolderSettings(cloud_file="../elsewhere.ply")
    with pytest.raises(SourceError, match="a file inside"):
        FolderSource(file, other).cloud()
    file.with_name("scene0011_00_vh_clean_2.ply").unlink()
    assert FolderSource(file).cloud() is None
    (folder / "scene0011_01.sens").write_bytes(b"")
    with pytest.raises(SourceError, match="got scene0011_00.sens, scene0011_01.sens"):
        open_source(folder)
    write_scannet(tmp_path)
    assert open_source(folder).layout_name == "own"


def test_the_header_of_a_sens_file_tells_the_unit_of_depth(tmp_path) -> None:
    file = write_scannet(tmp_path, layout="sens") / "scene0011_00.sens"
    before = next(iter(FolderSource(file))).depth
    thousand, two = (struct.pack("<f", units) for units in (1000.0, 2000.0))
    file.write_bytes(file.read_bytes().replace(thousand, two, 1))
    np.testing.assert_allclose(next(iter(FolderSource(file))).depth, before / 2)
    given = FolderSource(file, FolderSettings(depth_units_per_m=1000.0))
    np.testing.assert_array_equal(next(iter(given)).depth, before)


def test_a_frame_of_a_sens_file_that_cannot_be_read_is_named(tmp_path) -> None:
    file = write_scannet(tmp_path, layout="sens") / "scene0011_00.sens"
    content = bytearray(file.read_bytes())
    second = read_sens(file).frames[1]
    content[second.offset + second.color_bytes + 8] ^= 0xFF
    file.write_bytes(content)
    source = open_source(file)
    assert len(list(source)) == 3 and "depth/1: expected depth" in source.skipped.lines[0]


def test_a_scene_of_scannetpp_is_a_recording(tmp_path) -> None:
    folder = write_scannetpp(tmp_path)
    source = open_source(folder)
    frames = list(source)
    assert [frame.stamp_ns for frame in frames] == [0, 250_000_000] and not source.skipped.total
    assert frames[0].depth.shape == (120, 160)
    expected = tabletop(2)[1].intrinsics
    assert frames[1].intrinsics.fx == pytest.approx(expected.fx * 1.015)
    *_, solid = surface()
    segments = 7 * (2 * solid + np.arange(len(solid)) % 2)
    np.testing.assert_array_equal(source.cloud().segments, segments)
    shutil.rmtree(folder / "iphone/rgb")
    with pytest.raises(SourceError, match=r"prepare_iphone_data\.py.*found 0 and 2"):
        open_source(folder)


def test_frames_of_replica_come_with_the_mesh_beside_them(tmp_path) -> None:
    folder = write_replica(tmp_path)
    points = surface()[0]
    np.testing.assert_array_equal(open_source(folder).cloud().points, points)
    write_mesh(tmp_path / "office0_mesh.ply", points[:5000], surface()[1][:5000])
    assert len(open_source(folder).cloud()) == len(points)
    shutil.rmtree(tmp_path / "office_0")
    assert len(open_source(folder).cloud()) == 5000
    assert FolderSource(folder, FolderSettings(cloud_file="none")).cloud() is None


def test_run_maps_a_scan_of_scannet_by_its_segments(tmp_path, capsys) -> None:
    folder = write_scannet(tmp_path)
    network = tiny_mask3d(tmp_path / "tiny.safetensors")
    run = ["run", str(folder), "-o", str(tmp_path / "map"), "--proposals.method", "mask3d",
           "--mask3d.checkpoint", str(network), "--mask3d.num_heads", "2", "--mask3d.num_queries",
           "8", "--mask3d.min_score", "0", "--mask3d.segments", "dataset"]  # fmt: skip
    assert cli.main(run) == 0
    segments = ScanNetScene(tmp_path, "scene0011_00").cloud().segments
    masks = load_scene(tmp_path / "map").masks
    assert len(masks) > 0
    for i in range(len(masks)):
        of_mask = np.isin(segments, segments[masks[i]])
        np.testing.assert_array_equal(np.flatnonzero(of_mask), np.sort(masks[i]))
    (folder / "scene0011_00_vh_clean_2.0.010000.segs.json").unlink()
    assert cli.main([*run[:2], "-o", str(tmp_path / "none"), *run[4:]]) == 2
    assert "ID_vh_clean_2.0.010000.segs.json" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("layout", ["exported", "sens"])
def test_scannet_with_the_swapped_axes_of_openmask3d(tmp_path, layout) -> None:
    write_scannet(tmp_path, layout=layout)
    faithful = ScanNetSettings(step=1, intrinsics_scaling="openmask3d")
    k = next(iter(ScanNetScene(tmp_path, "scene0011_00", faithful))).intrinsics
    right = next(iter(ScanNetScene(tmp_path, "scene0011_00", EVERY))).intrinsics
    assert k.fx == pytest.approx(right.fx) and k.cx != pytest.approx(right.cx, abs=0.01)


def test_scannet_frames_that_cannot_be_read(tmp_path) -> None:
    folder = write_scannet(tmp_path, layout="sens")
    path = folder / "scene0011_00.sens"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    scene = ScanNetScene(tmp_path, "scene0011_00", EVERY)
    assert len(scene) == 3 and len(list(scene)) == 3
    pose = tabletop(4)[1].map_from_camera.astype("<f4").tobytes()
    path.write_bytes(whole.replace(pose, np.full(16, -np.inf, "<f4").tobytes()))
    scene = ScanNetScene(tmp_path, "scene0011_00", EVERY)
    assert len(list(scene)) == 3 and scene.skipped.reasons == {"pose invalid": 1}
    far = np.eye(4, dtype="<f4")
    far[0, 3] = 1e37
    path.write_bytes(whole.replace(pose, far.tobytes()))
    scene = ScanNetScene(tmp_path, "scene0011_00", EVERY)
    assert len(list(scene)) == 3 and scene.skipped.reasons == {"pose invalid": 1}
    for content in (b"", b"\x05" + whole[1:], whole[:300], b"\xff" * 400):
        path.write_bytes(content)
        with pytest.raises(SourceError, match="version 4"):
            ScanNetScene(tmp_path, "scene0011_00", EVERY)


def test_scannetpp(tmp_path) -> None:
    write_scannetpp(tmp_path)
    scene = ScanNetPPScene(tmp_path, "7b6477cb95")
    frames = list(scene)
    assert [f.rgb.shape for f in frames] == [(360, 480, 3)] * 2 and scene.skipped.total == 0
    assert [f.stamp_ns for f in frames] == [0, 250_000_000]
    reference = tabletop(2)[1]
    np.testing.assert_allclose(frames[1].map_from_camera, reference.map_from_camera, atol=1e-6)
    expected = reference.intrinsics.resized(480, 360)
    assert frames[0].intrinsics.fx == pytest.approx(expected.fx)
    assert frames[1].intrinsics.fx == pytest.approx(expected.fx * 1.015)
    assert frames[1].depth[180, 240] == pytest.approx(reference.depth[60, 80], abs=2e-3)
    assert labels_by_solid(scene, 3) == [2001, 4001, 47001, 106001, 0]


def test_scannetpp_as_the_original_prepares_it(tmp_path) -> None:
    write_scannetpp(tmp_path)
    faithful = ScanNetPPSettings(first_intrinsics=True, intrinsics_scaling="openmask3d")
    first, second = ScanNetPPScene(tmp_path, "7b6477cb95", faithful)
    assert first.intrinsics == second.intrinsics
    assert first.intrinsics.cx == pytest.approx(959.5 * 359 / 1439)
    own = [frame.intrinsics for frame in ScanNetPPScene(tmp_path, "7b6477cb95")]
    assert own[0].cx == pytest.approx(239.5) and own[0] != own[1]


def test_scannetpp_missing_images_are_not_shifted(tmp_path) -> None:
    folder = write_scannetpp(tmp_path, n_frames=3)
    (folder / "iphone/rgb/frame_000015.jpg").unlink()
    scene = ScanNetPPScene(tmp_path, "7b6477cb95")
    assert [f.stamp_ns for f in scene] == [0, 500_000_000]
    assert scene.skipped.reasons == {"color missing": 1}


def test_the_smallest_of_two_instances_holds_a_vertex(tmp_path) -> None:
    folder = write_scannetpp(tmp_path)
    path = folder / "scans/segments_anno.json"
    groups = json.loads(path.read_text())["segGroups"]
    everything = [s for group in groups for s in group["segments"]]
    groups.append({"id": 9, "objectId": 9, "label": "wall", "segments": everything})
    write_json(path, {"segGroups": groups})
    before = labels_by_solid(ScanNetPPScene(tmp_path, "7b6477cb95"), 3)
    assert before[-1] == 1 and 1 not in before[:4]


def test_replica(tmp_path) -> None:
    write_replica(tmp_path)
    scene = ReplicaScene(tmp_path, "office0", ReplicaSettings(step=3))
    assert_same_views(scene, stride=3)
    assert labels_by_solid(scene) == [40001, 80001, 10001, 14001, 0]
    assert len(ReplicaScene(tmp_path, "office0")) == 2


@pytest.mark.parametrize(
    "dataset, scene, terms",
    [
        ("scannet200", "scene0011_00", "ScanNet Terms of Use"),
        ("scannetpp", "7b6477cb95", "ScanNet\\+\\+ Terms of Use"),
        ("replica", "office0", "Research Terms"),
    ],
)
def test_missing_files_are_all_named_with_their_origin(tmp_path, dataset, scene, terms) -> None:
    with pytest.raises(SourceError, match=terms) as raised:
        open_dataset_scene(dataset, tmp_path, scene)
    assert "https://" in str(raised.value) or "http://" in str(raised.value)
    assert str(raised.value).count(str(tmp_path)) >= 5


@pytest.mark.parametrize("kind", ["depth", "pose", "intrinsic"])
def test_a_half_exported_scan_names_what_lacks(tmp_path, kind) -> None:
    folder = write_scannet(tmp_path)
    shutil.rmtree(folder / kind)
    with pytest.raises(SourceError, match=rf"{kind}.*download-scannet\.py.*Terms of Use"):
        ScanNetScene(tmp_path, "scene0011_00")


def test_names_that_climb_and_unknown_data_sets(tmp_path) -> None:
    for name in ("../x", "a/b", "", "..", "."):
        with pytest.raises(SourceError, match="name of a scene"):
            open_dataset_scene("scannet200", tmp_path, name)
    with pytest.raises(SettingsError, match="replica"):
        open_dataset_scene("kitti", tmp_path, "x")


@pytest.mark.parametrize(
    "name, content",
    [
        ("scene0011_00.aggregation.json", {"segGroups": [{"label": 3, "segments": [1]}]}),
        ("scene0011_00.aggregation.json", {"segGroups": [{"label": "a", "segments": "1"}]}),
        ("scene0011_00.aggregation.json", {"segGroups": [{"label": "a", "segments": [10**30]}]}),
        ("scene0011_00.aggregation.json", {"segGroups": [7]}),
        ("scene0011_00.aggregation.json", [1]),
        ("scene0011_00_vh_clean_2.0.010000.segs.json", {"segIndices": [1.5]}),
        ("scene0011_00_vh_clean_2.0.010000.segs.json", {"segIndices": [1, 2]}),
        ("scene0011_00_vh_clean_2.0.010000.segs.json", {"segIndices": [[1], [2, 3]]}),
    ],
)
def test_damaged_annotations(tmp_path, name, content) -> None:
    folder = write_scannet(tmp_path)
    write_json(folder / name, content)
    with pytest.raises(SourceError, match=name.replace(".", r"\.")):
        ScanNetScene(tmp_path, "scene0011_00").ground_truth()


def test_damaged_cameras(tmp_path) -> None:
    phone = write_scannetpp(tmp_path) / "iphone"
    write_json(phone / "pose_intrinsic_imu.json", {"frame_000000": {"aligned_pose": [[1]]}})
    with pytest.raises(SourceError, match="frame_000000"):
        ScanNetPPScene(tmp_path, "7b6477cb95")
    write_replica(tmp_path)
    (tmp_path / "office0/traj.txt").write_text("1 2 3\n")
    with pytest.raises(SourceError, match="16 numbers"):
        ReplicaScene(tmp_path, "office0")
    huge = {"aligned_pose": np.eye(4).tolist(), "intrinsic": [[10**400] * 3] * 3}
    write_json(phone / "pose_intrinsic_imu.json", {"frame_000000": huge})
    with pytest.raises(SourceError, match="frame_000000"):
        ScanNetPPScene(tmp_path, "7b6477cb95")
    write_json(tmp_path / "cam_params.json", {"camera": {"w": 1}})
    with pytest.raises(SourceError, match="cam_params"):
        ReplicaScene(tmp_path, "office0")

"""Record3D: packed depth, zipped recordings, cameras of each frame, the export as EXR."""

from __future__ import annotations

import json
import zipfile

import cv2
import numpy as np
import pytest
from helpers.layouts import N, assert_frames, depth_m, open_folder, record3d
from helpers.recorded_scene import K

from om3d_core.errors import SourceError
from om3d_core.sources.open import open_source


def rewrite(path, **changes):
    file = path / "metadata"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zipped_recording_leaves_nothing_behind(tmp_path, method, monkeypatch):
    path, temporary = record3d(tmp_path / "scan"), tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with zipfile.ZipFile(tmp_path / "scan.r3d", "w", method) as archive:
        for file in path.rglob("*"):
            archive.write(file, file.relative_to(path))
        archive.writestr("../outside", b"x")
    source = open_source(tmp_path / "scan.r3d")
    assert source.layout_name == "record3d"
    assert_frames(source)
    del source
    assert not list(temporary.iterdir()) and not (tmp_path / "outside").exists()


def test_packed_depth(tmp_path):
    pack = pytest.importorskip("liblzfse").compress
    path = record3d(tmp_path / "scan")
    for file in (path / "rgbd").glob("*.depth"):
        file.write_bytes(pack(file.read_bytes()))
    assert_frames(open_folder(path))


def test_each_frame_has_its_camera(tmp_path):
    path = record3d(tmp_path / "scan")
    rewrite(path, perFrameIntrinsicCoeffs=[[40 + n, 41, 15, 12] for n in range(N)])
    assert [frame.intrinsics.fx for frame in open_folder(path)] == [40, 41, 42]


def test_the_export_as_exr(tmp_path):
    exr = pytest.importorskip("OpenEXR")
    path = record3d(tmp_path / "scan")
    (path / "rgbd").rename(path / "rgb")
    (path / "metadata").rename(path / "metadata.json")
    (path / "depth").mkdir()
    for n in range(N):
        (path / f"rgb/{n}.depth").unlink()
        head = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
        with exr.File(head, {"R": depth_m(n)}) as file:
            file.write(str(path / f"depth/{n}.exr"))
    source = open_folder(path)
    assert source.layout_name == "record3d"
    assert_frames(source)


def test_smaller_depth_than_color(tmp_path):
    path = record3d(tmp_path / "scan")
    rewrite(path, dw=16, dh=12)
    for n in range(N):
        small = cv2.resize(depth_m(n), (16, 12), interpolation=cv2.INTER_NEAREST)
        (path / f"rgbd/{n}.depth").write_bytes(small.tobytes())
    frames = list(open_folder(path))
    assert len(frames) == N and frames[0].intrinsics.width == 16
    assert frames[0].intrinsics.fx == pytest.approx(K[0, 0] / 2)


@pytest.mark.parametrize(("told", "stored"), [
    ((32, 24), (16, 12)), ((32, 24), (64, 48)), ((32, 24), (256, 192)), ((24, 32), (192, 256)),
    ((32, 18), (256, 192)), ((40, 30), (20, 15)),
])  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_the_size_of_depth_is_told_by_its_bytes(tmp_path, told, stored, packed):
    path = record3d(tmp_path / "scan")
    file = path / "metadata"
    metadata = json.loads(file.read_text()) | {"w": told[0], "h": told[1]}
    file.write_text(json.dumps({k: v for k, v in metadata.items() if k not in ("dw", "dh")}))
    for n in range(N):
        content = np.ones(stored[0] * stored[1], "<f4").tobytes()
        raw = b"bvx-" + len(content).to_bytes(4, "little") + content + b"bvx$"
        (path / f"rgbd/{n}.depth").write_bytes(raw if packed else content)
    assert open_folder(path).listing.depth_size(path) == stored


def test_depth_of_a_size_that_nothing_tells_is_refused(tmp_path):
    path = record3d(tmp_path / "scan")
    for n in range(N):
        (path / f"rgbd/{n}.depth").write_bytes(bytes(4 * 31 * 17))
    source = open_folder(path)
    assert list(source) == [] and source.skipped.reasons == {"depth unreadable": N}


@pytest.mark.parametrize("changes", [
    {"w": -1}, {"dw": 10**9}, {"K": [1, 2]}, {"poses": []}, {"fps": -1}, {"poses": "x"},
    {"perFrameIntrinsicCoeffs": [[1]]},
])
def test_damaged_metadata_is_named(tmp_path, changes):
    path = record3d(tmp_path / "scan")
    rewrite(path, **changes)
    with pytest.raises(SourceError, match="metadata: expected"):
        open_folder(path)


def test_depth_of_another_size_and_lost_poses_are_told(tmp_path):
    path = record3d(tmp_path / "scan")
    (path / "rgbd/0.depth").write_bytes(bytes(12))
    poses = json.loads((path / "metadata").read_text())["poses"]
    rewrite(path, poses=[poses[0], [0] * 7])
    source = open_folder(path)
    assert list(source) == []
    assert source.skipped.reasons == {"depth unreadable": 1, "pose missing": 2}
    assert "32 x 24 float32" in source.skipped.examples["depth unreadable"]


def test_a_truncated_archive_is_refused(tmp_path):
    path = tmp_path / "scan.r3d"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(SourceError, match="or unzip it"):
        open_source(path)
    np.testing.assert_array_equal(list(tmp_path.iterdir()), [path])


def test_metadata_that_is_damaged_in_an_r3d_is_told_by_its_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "scan.r3d", "w") as archive:
        archive.writestr("metadata", "{")
    with pytest.raises(SourceError, match=r"scan\.r3d: metadata: expected w, h, K and poses"):
        open_source(tmp_path / "scan.r3d")

"""Scene folders: what is read, what is skipped and counted, what is refused."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import bombs
from helpers.recorded_scene import (
    HEIGHT,
    NUMBERS,
    WIDTH,
    K,
    color_of,
    depth_of,
    pose_of,
    write_frame,
    write_ply,
    write_scene,
)

from om3d_core.errors import SettingsError, SourceError
from om3d_core.sources.folder import FolderSettings, FolderSource
from om3d_core.sources.open import open_source
from om3d_core.streams.settings import DepthSettings, RecordedStreamSettings


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene")


def test_frames_are_those_written(scene: Path) -> None:
    source = FolderSource(scene)
    frames = list(source)
    assert len(source) == len(frames) == len(NUMBERS)
    for number, frame in zip(NUMBERS, frames, strict=True):
        assert np.array_equal(frame.rgb, color_of(number))
        stored = depth_of(number).astype(np.float64) / 1000
        expected = np.where(depth_of(number) == 65535, 0, stored)
        np.testing.assert_allclose(frame.depth, expected, atol=1e-6)
        np.testing.assert_allclose(frame.map_from_camera, pose_of(number), atol=1e-12)
        np.testing.assert_array_equal(frame.intrinsics.matrix, K)
        assert frame.stamp_ns == round(number * 1e9 / 30)
    assert source.skipped.total == 0


def test_numbers_sort_as_numbers_with_padding_and_other_suffixes(tmp_path: Path) -> None:
    scene = write_scene(tmp_path, (2, 10))
    (scene / "color/2.png").rename(scene / "color/000002.PNG")
    bgr = cv2.cvtColor(color_of(10), cv2.COLOR_RGB2BGR)
    (scene / "color/10.png").unlink()
    cv2.imwrite(str(scene / "color/10.jpg"), bgr)
    for stray in ("color/notes.txt", "color/frame-1.png", "color/-1.png", "pose/x.txt"):
        (scene / stray).write_text("stray")
    stamps = [frame.stamp_ns for frame in FolderSource(scene, FolderSettings(rate_hz=1.0))]
    assert stamps == [2_000_000_000, 10_000_000_000]


def test_step_rate_and_depth_scale(scene: Path) -> None:
    settings = FolderSettings(step=2, rate_hz=10.0)
    streams = RecordedStreamSettings(depth=DepthSettings(units_per_m=5000.0))
    frames = list(FolderSource(scene, settings, streams))
    assert [frame.stamp_ns for frame in frames] == [n * 100_000_000 for n in NUMBERS[::2]]
    valid = frames[0].depth > 0
    np.testing.assert_allclose(frames[0].depth[valid], depth_of(0)[valid] / 5000, rtol=1e-6)


def test_scene_json_gives_the_rate(scene: Path) -> None:
    (scene / "scene.json").write_text('{"rate_hz": 5, "other": [1]}')
    assert [f.stamp_ns for f in FolderSource(scene)][1] == 200_000_000


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"rate_hz": "6"}', '{"rate_hz": 0}', '{"rate_hz": NaN}', "[" * 60_000]
)
def test_bad_scene_json_is_refused(scene: Path, text: str) -> None:
    (scene / "scene.json").write_text(text)
    with pytest.raises(SourceError, match=r"scene\.json"):
        FolderSource(scene)


def test_huge_number_as_rate_is_refused(scene: Path) -> None:
    (scene / "scene.json").write_text('{"rate_hz": 1' + "0" * 400 + "}")
    with pytest.raises(SourceError, match="rate_hz"):
        FolderSource(scene)


def test_iterating_twice_gives_the_same_and_counts_once(scene: Path) -> None:
    (scene / "pose/2.txt").unlink()
    source = FolderSource(scene)
    first, second = list(source), list(source)
    assert [f.stamp_ns for f in first] == [f.stamp_ns for f in second]
    assert source.skipped.reasons == {"pose missing": 1}


def test_stopping_early_leaves_no_thread(scene: Path) -> None:
    import threading

    before = threading.active_count()
    frames = iter(FolderSource(scene))
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_bad_frames_are_skipped_and_counted(scene: Path) -> None:
    for number in range(20, 32):
        write_frame(scene, number)
    (scene / "color/20.png").unlink()
    (scene / "depth/21.png").unlink()
    (scene / "pose/22.txt").unlink()
    nan, infinite = pose_of(23), pose_of(24)
    nan[0, 3], infinite[:] = np.nan, -np.inf
    np.savetxt(scene / "pose/23.txt", nan)
    np.savetxt(scene / "pose/24.txt", infinite)
    (scene / "pose/25.txt").write_text("one two three")
    np.savetxt(scene / "pose/26.txt", np.diag([1.0, 1, -1, 1]))
    whole = (scene / "color/27.png").read_bytes()
    (scene / "color/27.png").write_bytes(whole[: len(whole) // 2])
    (scene / "depth/28.png").write_bytes(b"")
    cv2.imwrite(str(scene / "depth/29.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    cv2.imwrite(str(scene / "depth/30.png"), np.ones((HEIGHT, WIDTH + 1), np.uint16))
    cv2.imwrite(str(scene / "color/31.png"), np.ones((HEIGHT * 2, WIDTH * 2, 3), np.uint8))
    source = FolderSource(scene)
    assert len(list(source)) == len(NUMBERS)
    assert source.skipped.reasons == {
        "color missing": 1,
        "depth missing": 1,
        "pose missing": 1,
        "pose invalid": 4,
        "color unreadable": 1,
        "depth unreadable": 2,
        "size differs": 2,
    }


@pytest.mark.parametrize("kind", ["color", "depth"])
def test_damaged_first_image_does_not_spoil_the_rest(scene: Path, kind: str) -> None:
    (scene / f"{kind}/0.png").write_bytes(np.random.default_rng(0).bytes(200))
    source = FolderSource(scene)
    assert len(list(source)) == len(NUMBERS) - 1
    assert source.skipped.reasons == {f"{kind} unreadable": 1}


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    )


def test_image_bomb_is_not_decoded(scene: Path) -> None:
    whole = (scene / "color/1.png").read_bytes()
    (scene / "color/1.png").write_bytes(png_header(60_000, 60_000) + whole[33:])
    source = FolderSource(scene)
    assert len(list(source)) == len(NUMBERS) - 1
    assert source.skipped.reasons == {"color unreadable": 1}


def test_pipe_and_dangling_link_are_no_images(scene: Path) -> None:
    (scene / "color/1.png").unlink()
    os.mkfifo(scene / "color/1.png")
    (scene / "depth/2.png").unlink()
    (scene / "depth/2.png").symlink_to("/dev/zero")
    (scene / "pose/5.txt").unlink()
    (scene / "pose/5.txt").symlink_to(scene / "nowhere")
    source = FolderSource(scene)
    assert len(list(source)) == len(NUMBERS) - 3
    assert source.skipped.reasons == {
        "color unreadable": 1,
        "depth unreadable": 1,
        "pose invalid": 1,
    }


def test_larger_color_is_averaged_to_the_size_of_depth(tmp_path: Path) -> None:
    scene = write_scene(tmp_path, (0, 1))
    for number in (0, 1):
        large = cv2.cvtColor(
            np.kron(color_of(number), np.ones((2, 2, 1), np.uint8)), cv2.COLOR_RGB2BGR
        )
        cv2.imwrite(str(scene / f"color/{number}.png"), large)
    scale = np.diag([2.0, 2.0, 1.0])
    np.savetxt(scene / "intrinsics.txt", scale @ K)
    frames = list(FolderSource(scene))
    assert len(frames) == 2
    assert np.array_equal(frames[1].rgb, color_of(1))
    intrinsics = frames[0].intrinsics
    assert (intrinsics.width, intrinsics.height) == (WIDTH, HEIGHT)
    assert intrinsics.fx == pytest.approx(K[0, 0])
    assert intrinsics.cx == pytest.approx((2 * K[0, 2] + 0.5) / 2 - 0.5)


def test_intrinsics_of_another_resolution(scene: Path) -> None:
    np.savetxt(scene / "intrinsics.txt", np.diag([10.0, 10.0, 1.0]) @ K)
    with pytest.raises(SourceError, match="intrinsics_width"):
        FolderSource(scene)
    settings = FolderSettings(intrinsics_width=10 * WIDTH, intrinsics_height=10 * HEIGHT)
    intrinsics = next(iter(FolderSource(scene, settings))).intrinsics
    assert intrinsics.fx == pytest.approx(K[0, 0])


@pytest.mark.parametrize(
    "name", ["intrinsic/intrinsic_color.txt", "intrinsic/intrinsic_depth.txt"]
)
def test_four_by_four_intrinsics_in_their_folder(scene: Path, name: str) -> None:
    (scene / "intrinsics.txt").unlink()
    (scene / "intrinsic").mkdir()
    matrix = np.eye(4)
    matrix[:3, :3] = K
    np.savetxt(scene / name, matrix)
    assert np.array_equal(next(iter(FolderSource(scene))).intrinsics.matrix, K)


@pytest.mark.parametrize("text", ["", "1 2 3", "a " * 9, "nan " * 9, "-1 " * 9, "0 " * 16])
def test_bad_intrinsics_are_refused(scene: Path, text: str) -> None:
    (scene / "intrinsics.txt").write_text(text)
    with pytest.raises(SourceError, match=r"intrinsics\.txt"):
        FolderSource(scene)


def test_missing_intrinsics_name_what_is_looked_for(scene: Path) -> None:
    (scene / "intrinsics.txt").unlink()
    with pytest.raises(SourceError, match="intrinsic_color"):
        FolderSource(scene)


def test_no_scene_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("x")
    (tmp_path / "empty").mkdir()
    for path, message in (
        (tmp_path / "nothing", "found nothing"),
        (file, "found a file"),
        (tmp_path / "empty", "no images of color; expected .jpg"),
    ):
        with pytest.raises(SourceError, match=message):
            FolderSource(path)


@pytest.mark.parametrize("kind", ["color", "depth"])
def test_nothing_but_garbage_images(scene: Path, kind: str) -> None:
    for path in (scene / kind).iterdir():
        path.write_bytes(b"garbage")
    with pytest.raises(SourceError, match="no readable image"):
        FolderSource(scene)


def test_cloud_of_the_scene(scene: Path) -> None:
    assert FolderSource(scene).cloud() is None
    points = write_ply(scene / "room.ply")
    cloud = FolderSource(scene).cloud()
    assert cloud is not None
    assert np.array_equal(cloud.points, points)
    assert cloud.colors.any() and not cloud.normals.any()


def test_several_clouds_need_a_choice(scene: Path) -> None:
    write_ply(scene / "a.ply", 5)
    write_ply(scene / "b.ply", 9)
    with pytest.raises(SourceError, match="cloud_file"):
        FolderSource(scene).cloud()
    chosen = FolderSource(scene, FolderSettings(cloud_file="b.ply")).cloud()
    assert chosen is not None and len(chosen) == 8
    write_ply(scene / "scene.ply", 7)
    preferred = FolderSource(scene).cloud()
    assert preferred is not None and len(preferred) == 6


def test_a_mesh_is_named_and_sampled_in_its_own_unit(scene: Path) -> None:
    corners = "v 0 0 0\nv 1000 0 0\nv 1000 1000 0\nv 0 1000 0\n"
    (scene / "room.obj").write_text(f"{corners}f 1 2 3 4\n")
    assert FolderSource(scene).cloud() is None
    settings = FolderSettings(
        cloud_file="room.obj", cloud_units_per_m=1000.0, cloud_sampling_m=0.125
    )
    cloud = FolderSource(scene, settings).cloud()
    assert cloud is not None and len(cloud) == 64
    assert cloud.points.max() <= 1.0 and (cloud.normals == [0, 0, 1]).all()


@pytest.mark.parametrize("name", ["../outside.ply", "/etc/passwd", "link.ply"])
def test_cloud_outside_the_folder_is_refused(scene: Path, name: str) -> None:
    write_ply(scene.parent / "outside.ply")
    (scene / "link.ply").symlink_to("../outside.ply")
    with pytest.raises(SourceError, match="inside"):
        FolderSource(scene, FolderSettings(cloud_file=name)).cloud()


def test_a_cloud_that_lies_is_named(scene: Path) -> None:
    (scene / "scene.ply").write_bytes(b"ply\n")
    with pytest.raises(SourceError, match=r"scene\.ply"):
        FolderSource(scene).cloud()


def test_open_source_picks_the_folder(scene: Path, tmp_path: Path) -> None:
    assert len(list(open_source(scene))) == len(NUMBERS)
    with pytest.raises(SourceError, match="found nothing"):
        open_source(tmp_path / "none")
    for name, found in (("a.zip", "an archive: unpack it"), ("a.doc", "another file")):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(SourceError, match=found):
            open_source(tmp_path / name)


@pytest.mark.parametrize("values", [{"step": 0}, {"rate_hz": -1.0}])
def test_settings_are_checked(values: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        FolderSettings(**values)  # type: ignore[arg-type]


def test_a_cloud_in_millimeters_is_told_and_read_with_its_unit(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene")
    points = np.random.default_rng(0).uniform(0, 5, (2000, 3)).astype(np.float32)
    bombs.ply(scene / "scene.ply", 1000 * points)
    with pytest.raises(SourceError, match=r"scene\.ply: .* in meters .*cloud_units_per_m 1000"):
        FolderSource(scene).cloud()
    cloud = FolderSource(scene, FolderSettings(cloud_units_per_m=1000.0)).cloud()
    assert cloud is not None
    np.testing.assert_allclose(cloud.points, points, atol=1e-5)

"""A calibration with distortion: whether the images are raw or rectified, by how frames agree."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml
from helpers.worlds import write_folder

from om3d_core.commands import doctor
from om3d_core.commands.agreed import agreed
from om3d_core.commands.run import _parser
from om3d_core.doctor.scene import examine_scene
from om3d_core.sources.folder import FolderSource


def as_taken(frame, k1):
    """The frame as a camera whose lens has ``k1`` takes it."""
    k = frame.intrinsics
    pixels = np.mgrid[: k.height, : k.width][::-1].reshape(2, -1).T.astype(np.float32)
    straight = cv2.undistortPoints(pixels[:, None], k.matrix, np.array([k1, 0, 0, 0]), P=k.matrix)
    x, y = straight[:, 0].T.reshape(2, k.height, k.width)
    return replace(
        frame, rgb=cv2.remap(frame.rgb, x, y, cv2.INTER_LINEAR),
        depth=cv2.remap(frame.depth, x, y, cv2.INTER_NEAREST),
    )  # fmt: skip


@pytest.fixture
def calibrated(frames, tmp_path):
    """Writes the room with a calibration file of ROS; raw, or rectified by its projection."""

    def write(k1, raw, number=14):
        shown = frames[:number]
        k = shown[0].intrinsics
        folder = write_folder(
            tmp_path / "scan", [as_taken(f, k1) for f in shown] if raw else shown
        )
        (folder / "intrinsics.txt").unlink()
        narrow = k.matrix if raw else k.matrix * [[1.2, 1, 1], [1, 1.2, 1], [1, 1, 1]]
        camera = {
            "image_width": k.width, "image_height": k.height, "distortion_model": "plumb_bob",
            "camera_matrix": {"rows": 3, "cols": 3, "data": narrow.ravel().tolist()},
            "distortion_coefficients": {"rows": 1, "cols": 5, "data": [k1, 0.0, 0.0, 0.0, 0.0]},
            "projection_matrix": {"data": np.pad(k.matrix, [(0, 0), (0, 1)]).ravel().tolist()},
        }  # fmt: skip
        (folder / "camera_info.yaml").write_text(yaml.safe_dump(camera))
        return folder

    return write


def test_raw_images_are_found_and_the_flag_takes_the_distortion_out(calibrated, frames):
    folder = calibrated(-0.1, raw=True)
    (finding,) = examine_scene(folder).findings
    assert (finding.kind, finding.flag) == ("lens", "--lens.images raw")
    assert doctor.main([str(folder), *finding.flag.split()]) == 0
    straight = list(FolderSource(folder).with_images("raw"))[0]
    both = (straight.depth > 0) & (frames[0].depth > 0)
    assert np.median(np.abs(straight.depth - frames[0].depth)[both]) < 0.002


def test_rectified_images_are_told_so_and_have_the_projection_of_their_calibration(
    calibrated, frames
):
    folder = calibrated(-0.1, raw=False)
    found = examine_scene(folder)
    assert found.findings == () and found.assumed == ()
    assert any("the images are rectified" in text for text in found.told)
    assert next(iter(FolderSource(folder))).intrinsics == frames[0].intrinsics


@pytest.mark.parametrize(("k1", "number"), [(-0.002, 14), (-0.1, 2)])
def test_what_frames_cannot_tell_is_assumed_and_said_by_run(
    calibrated, capsys, k1, number
):
    folder = calibrated(k1, raw=True, number=number)
    (text,) = examine_scene(folder).assumed
    assert f"distortion ({k1:g} 0 0 0 0)" in text and "--lens.images raw" in text
    agreed([str(folder)], lambda flags: _parser().parse_args([*flags, "-o", "map"]))
    assert text in capsys.readouterr().err


def test_a_distortion_of_no_known_model_is_said_and_refuses_nothing(calibrated):
    folder = calibrated(-0.1, raw=False)
    file = folder / "camera_info.yaml"
    file.write_text(file.read_text().replace("plumb_bob", "omni"))
    found = examine_scene(folder)
    (text,) = found.assumed
    assert not found.findings and "expected a distortion model" in text and "'omni'" in text

"""Poses of one JSON file, in the forms that programs write."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.recorded_scene import pose_of

from om3d_core.errors import InputError
from om3d_core.formats.pose_json import read_poses

POSES = [pose_of(0), pose_of(1)]


@pytest.mark.parametrize("content", [
    [pose.tolist() for pose in POSES], [pose[:3].ravel().tolist() for pose in POSES],
    [pose.T.tolist() for pose in POSES], {"frames": [{"c2w": pose.tolist()} for pose in POSES]},
    [{"position": p[:3, 3].tolist(), "rotation": p[:3, :3].tolist()} for p in POSES],
])  # fmt: skip
def test_in_the_order_of_the_frames(tmp_path, content):
    file = tmp_path / "poses.json"
    file.write_text(json.dumps(content))
    np.testing.assert_allclose(read_poses(file), POSES)


@pytest.mark.parametrize("content", [
    {"b.png": POSES[1].tolist(), "a.png": {"pose": POSES[0].tolist()}},
    {"poses": [{"image": name, "matrix": pose.tolist()}
               for name, pose in zip(("a.png", "b.png"), POSES, strict=True)]},
])  # fmt: skip
def test_by_the_names_of_images(tmp_path, content):
    file = tmp_path / "poses.json"
    file.write_text(json.dumps(content))
    found = read_poses(file)
    np.testing.assert_allclose([found["a.png"], found["b.png"]], POSES)


def test_names_of_some_poses_only_are_refused(tmp_path):
    file = tmp_path / "poses.json"
    named = {"name": "a", "pose": POSES[0].tolist()}
    file.write_text(json.dumps([named, POSES[1].tolist()]))
    with pytest.raises(InputError, match="a name of its own for each pose, got 1 names of 2"):
        read_poses(file)

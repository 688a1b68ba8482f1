"""Keyframes of random content, and whether two are the same to the bit."""

from __future__ import annotations

import numpy as np

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.keyframe import Keyframe


def make_frame(seed=0, stamp_ns=None, width=40, height=30, depth_m=3.0):
    """A frame of noise from a random pose."""
    rng = np.random.default_rng(seed)
    pose = np.eye(4)
    pose[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    pose[:3, 0] *= np.linalg.det(pose[:3, :3])
    pose[:3, 3] = rng.normal(size=3)
    return Frame(
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        (rng.random((height, width)) * depth_m).astype(np.float32),
        Intrinsics(width * 0.9, width * 0.95, width / 2, height / 2, width, height),
        pose, 10**9 * (seed + 1) if stamp_ns is None else stamp_ns, f"camera_{seed % 2}",
    )


def make_keyframe(seed=0, level=None, quality=95, **options):
    level = seed - 3 if level is None else level
    return Keyframe.of(make_frame(seed, **options), level, quality)


def make_keyframes(n=3):
    return tuple(make_keyframe(seed) for seed in range(n))


def assert_same_keyframes(found, expected):
    assert isinstance(found, tuple) and len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.color, a.depth, a.intrinsics, a.stamp_ns, a.camera_frame, a.level) == (
            b.color, b.depth, b.intrinsics, b.stamp_ns, b.camera_frame, b.level)
        assert a.map_from_camera.dtype == np.float64
        assert np.array_equal(a.map_from_camera, b.map_from_camera)


def assert_same_frame(a, b):
    assert np.array_equal(a.rgb, b.rgb) and np.array_equal(a.depth, b.depth)
    assert np.array_equal(a.map_from_camera, b.map_from_camera)
    assert (a.intrinsics, a.stamp_ns, a.camera_frame) == (
        b.intrinsics, b.stamp_ns, b.camera_frame)

"""sensor_msgs/Image, CompressedImage and CameraInfo to arrays and back."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.poses import Transform, nearest_rigid
from om3d_core.formats import image_fields as images
from om3d_core.formats.calibration import Calibration
from om3d_core.formats.registration import register
from om3d_core.streams.settings import DepthSettings


class DepthCamera(NamedTuple):
    """A camera that depth has of its own, and where it is in that of color (4, 4)."""

    camera_info: CameraInfo
    color_from_depth: Transform


class Shot(NamedTuple):
    """The messages of one frame.

    depth_camera: None where depth is registered to color. corrections: how many corrections of
    the localization its pose map_from_camera (4, 4) knows of.
    """

    stamp_ns: int
    color: Image | CompressedImage
    depth: Image | CompressedImage
    camera_info: CameraInfo
    map_from_camera: Transform
    depth_camera: DepthCamera | None = None
    corrections: int = 0


def to_rgb(message: Image | CompressedImage) -> npt.NDArray[np.uint8]:
    """A color or gray image as (H, W, 3) uint8 RGB; raises InputError naming the field."""
    if isinstance(message, CompressedImage):
        return images.decode_compressed_color(message.format, message.data)
    return images.decode_color(
        message.encoding, message.height, message.width, message.step, message.is_bigendian,
        message.data,
    )


def to_depth(
    message: Image | CompressedImage, settings: DepthSettings
) -> npt.NDArray[np.float32]:
    """A 16UC1 or 32FC1 depth image as (H, W) float32 meters, 0 where there is none."""
    units = settings.units_per_m, settings.float_units_per_m
    if isinstance(message, CompressedImage):
        return images.decode_compressed_depth(message.format, message.data, *units)
    return images.decode_depth(
        message.encoding, message.height, message.width, message.step, message.is_bigendian,
        message.data, *units,
    )


def to_frame(shot: Shot, settings: DepthSettings, rectified: bool) -> Frame:
    """The frame of a shot, rectified unless it is, of the size of its depth."""
    rgb, depth_m = to_rgb(shot.color), to_depth(shot.depth, settings)
    camera = Calibration.of_info(shot.camera_info, rectified)
    if shot.depth_camera is None:
        rgb, depth_m, intrinsics = camera.rectified(rgb, depth_m)
    else:
        info, color_from_depth = shot.depth_camera
        own = Calibration.of_info(info, rectified)
        rgb, depth_m, intrinsics = register(rgb, camera, depth_m, own, color_from_depth)
    pose = nearest_rigid(shot.map_from_camera)
    return Frame(rgb, depth_m, intrinsics, pose, shot.stamp_ns, shot.color.header.frame_id)


def from_pixels(pixels: npt.NDArray[np.generic], encoding: str, header: Header) -> Image:
    """An image of (H, W) or (H, W, C) pixels that lie as ``encoding`` says."""
    fields = images.encode_image(pixels, encoding)
    message = Image(
        header=header, height=fields.height, width=fields.width, encoding=fields.encoding,
        is_bigendian=fields.is_bigendian, step=fields.step,
    )
    message.data = array("B", fields.data.tobytes())
    return message


def from_intrinsics(intrinsics: Intrinsics, header: Header) -> CameraInfo:
    """A camera_info without distortion."""
    k = intrinsics.matrix
    return CameraInfo(
        header=header,
        height=intrinsics.height,
        width=intrinsics.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=np.hstack([k, np.zeros((3, 1))]).ravel().tolist(),
    )


def from_jpeg(data: bytes, header: Header) -> CompressedImage:
    """A JPEG file as a message."""
    message = CompressedImage(header=header, format="jpeg")
    message.data = array("B", data)
    return message

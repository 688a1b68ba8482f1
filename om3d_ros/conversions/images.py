"""sensor_msgs/Image, CompressedImage and CameraInfo to arrays and back."""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.poses import nearest_rigid
from om3d_core.errors import expect
from om3d_core.formats import image_fields as images
from om3d_core.formats.image_files import resize_color


def to_rgb(message: Image) -> npt.NDArray[np.uint8]:
    """A raw color or gray image as (H, W, 3) uint8 RGB; raises InputError naming the field."""
    return images.decode_color(
        message.encoding, message.height, message.width, message.step, message.is_bigendian,
        message.data,
    )


def to_depth(message: Image, units_per_m: float) -> npt.NDArray[np.float32]:
    """A 16UC1 or 32FC1 depth image as (H, W) float32 meters, 0 where there is none."""
    return images.decode_depth(
        message.encoding, message.height, message.width, message.step, message.is_bigendian,
        message.data, units_per_m,
    )


def compressed_to_rgb(message: CompressedImage) -> npt.NDArray[np.uint8]:
    """A JPEG or PNG image as (H, W, 3) uint8 RGB."""
    return images.decode_compressed_color(message.format, message.data)


def to_intrinsics(message: CameraInfo) -> Intrinsics:
    """The pinhole intrinsics ``k`` for raw images of the message's size."""
    k = np.asarray(message.k, np.float64).reshape(3, 3)
    expect(k[0, 0] > 0 and k[1, 1] > 0, "a calibrated camera_info (k of positive focal lengths)",
           [k[0, 0], k[1, 1]])
    return Intrinsics.from_matrix(k, message.width, message.height)


def to_frame(
    color: Image,
    depth: Image,
    camera_info: CameraInfo,
    map_from_camera: npt.NDArray[np.float64],
    stamp_ns: int,
    depth_units_per_m: float,
) -> Frame:
    """The frame of four messages; color is resized to the size of the registered depth."""
    rgb, depth_m = to_rgb(color), to_depth(depth, depth_units_per_m)
    intrinsics = to_intrinsics(camera_info)
    expect(
        rgb.shape[:2] == (intrinsics.height, intrinsics.width),
        f"color of camera_info's height and width {(intrinsics.height, intrinsics.width)}",
        rgb.shape[:2],
    )
    height, width = depth_m.shape
    if (height, width) != rgb.shape[:2]:
        rgb, intrinsics = resize_color(rgb, width, height), intrinsics.resized(width, height)
    pose, camera_frame = nearest_rigid(map_from_camera), color.header.frame_id
    return Frame(rgb, depth_m, intrinsics, pose, stamp_ns, camera_frame)


def is_distorted(message: CameraInfo) -> bool:
    """True if the camera has lens distortion, which the map does not correct."""
    return bool(np.abs(np.asarray(message.d, np.float64)).max(initial=0.0) > 1e-6)


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

"""ROS 1 bags: their chunks checked before a library decodes them, their messages as in ROS 2.

Format 2.0 (https://wiki.ros.org/Bags/Format/2.0): records of a header of named fields and of data.
"""

from __future__ import annotations

import bz2
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

from om3d_core.errors import SourceError
from om3d_core.files import open_regular
from om3d_core.sources.bag.mcap_check import (
    MAX_CHUNK_BYTES,
    MAX_RATIO,
    UNPACKED_SLACK_BYTES,
    inflate,
)

MAGIC = b"#ROSBAG V2.0\n"
CHUNK = b"\x05"
MAX_HEADER_BYTES = 1 << 20
RENAMED = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}
"""Types that ROS 2 knows by another name, of the same fields."""


def check_ros1(path: Path) -> None:
    """Walk a ROS 1 bag. Raises SourceError where a record or a chunk lies about its size."""
    with open(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(MAGIC)) != MAGIC:
            raise SourceError(f"{path}: expected a ROS 1 bag of format 2.0, got another file")
        left = UNPACKED_SLACK_BYTES + MAX_RATIO * size
        while (at := file.tell()) < size:
            where = f"{path}: record at {at}"
            header = _fields(_sized(file, size, MAX_HEADER_BYTES, where), where)
            if header.get(b"op") != CHUNK:
                (length,) = _number(file, where)
                if file.tell() + length > size:
                    raise SourceError(f"{where}: truncated; 'rosbag reindex' saves what is whole")
                file.seek(length, os.SEEK_CUR)
                continue
            data = _sized(file, size, size, where)
            left -= _check_chunk(header, data, where)
            if left < 0:
                raise SourceError(
                    f"{where}: the chunks up to here unpack to more than {MAX_RATIO} times the"
                    f" file and {UNPACKED_SLACK_BYTES} bytes"
                )


def ros2_type(msgtype: str) -> str:
    """The ROS 2 name of a type of a ROS 1 bag."""
    return RENAMED.get(msgtype, msgtype)


def to_cdr(types: Any, raw: bytes, msgtype: str) -> bytes:
    """A ROS 1 message as ROS 2 serializes it; empty where its type has other fields there."""
    try:
        return bytes(types.ros1_to_cdr(raw, msgtype))
    except Exception:
        return b""


def _check_chunk(header: dict[bytes, bytes], data: bytes, where: str) -> int:
    """The size of a chunk unpacked, which is what it declares."""
    if len(header.get(b"size", b"")) != 4:
        raise SourceError(f"{where}: a chunk without its size")
    (size,) = struct.unpack("<I", header[b"size"])
    if size > MAX_CHUNK_BYTES:
        raise SourceError(f"{where}: a chunk of {size} bytes, at most {MAX_CHUNK_BYTES} are read")
    compression = header.get(b"compression", b"").decode("ascii", "replace")
    try:
        if compression == "bz2":
            plain = bz2.BZ2Decompressor().decompress(data, size + 1)
        else:
            plain = inflate(data, "" if compression == "none" else compression, size)
    except (ValueError, OSError) as error:
        raise SourceError(f"{where}: chunk not readable: {error}") from error
    if len(plain) != size:
        raise SourceError(f"{where}: declares {size} bytes, holds another number")
    return int(size)


def _number(file: BinaryIO, where: str) -> tuple[int]:
    raw = file.read(4)
    if len(raw) < 4:
        raise SourceError(f"{where}: truncated; 'rosbag reindex' saves what is whole")
    return struct.unpack("<I", raw)


def _sized(file: BinaryIO, size: int, limit: int, where: str) -> bytes:
    (length,) = _number(file, where)
    if length > limit or file.tell() + length > size:
        raise SourceError(f"{where}: {length} bytes are beyond the file or {limit}")
    return file.read(length)


def _fields(header: bytes, where: str) -> dict[bytes, bytes]:
    fields, at = {}, 0
    while at + 4 <= len(header):
        (length,) = struct.unpack_from("<I", header, at)
        name, found, value = header[at + 4 : at + 4 + length].partition(b"=")
        at += 4 + length
        if not found or at > len(header):
            raise SourceError(f"{where}: damaged header")
        fields[name] = value
    return fields

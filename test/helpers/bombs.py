"""Files made to harm: small on disk, or of small headers that promise much."""

from __future__ import annotations

import io
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from backports import zstd

MIB = 1024**2


def npz(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A .npz of raw entries."""
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def npy_header(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    """What stands before the values of an array."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return head.getvalue()


def npz_of_ones(path: Path, rows: int, columns: int) -> Path:
    """Dense masks in which every point belongs to every mask."""
    return npz(path, {"masks.npy": npy_header((rows, columns)) + b"\x01" * (rows * columns)})


def pt(path: Path, content: object) -> Path:
    """What torch.save makes of it."""
    torch.save(content, path)
    return path


def pt_of_table(path: Path, table: bytes, storage: bytes = b"") -> Path:
    """A PyTorch archive around a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", table)
        archive.writestr("a/data/0", storage)
    return path


def png(path: Path, width: int, height: int, bits: int = 8, kind: int = 2) -> Path:
    """A black PNG whose rows are filtered by the slowest filter (Paeth)."""
    channels = {0: 1, 2: 3, 6: 4}[kind]
    packer, row = zlib.compressobj(9), b"\x04" + bytes(width * channels * bits // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    ))
    return path


def jpeg_of_scans(path: Path, whole: bytes, scans: int) -> Path:
    """A progressive JPEG whose last scan is there again and again."""
    start = whole.rindex(b"\xff\xda")
    path.write_bytes(whole[:start] + whole[start:-2] * scans + whole[-2:])
    return path


def mcap_record(kind: int, body: bytes) -> bytes:
    return struct.pack("<BQ", kind, len(body)) + body


def mcap_of_zeros(path: Path, chunks: int, chunk_bytes: int) -> Path:
    """Chunks of zeros, compressed, without a summary."""

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode()

    stored = zstd.compress(bytes(chunk_bytes))
    body = struct.pack("<QQQI", 0, 0, chunk_bytes, 0) + text("zstd")
    body += struct.pack("<Q", len(stored)) + stored
    with path.open("wb") as file:
        file.write(b"\x89MCAP0\r\n" + mcap_record(0x01, text("ros2") + text("test")))
        for _ in range(chunks):
            file.write(mcap_record(0x06, body))
        file.write(mcap_record(0x02, bytes(20)) + b"\x89MCAP0\r\n")
    return path


def db3(path: Path, *statements: str) -> Path:
    """A bag in sqlite3 with the tables of a version before Humble, and what is added to them."""
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    database.executescript(
        "PRAGMA synchronous=OFF;"
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,"
        " serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);"
        "INSERT INTO topics VALUES(1, '/image', 'sensor_msgs/msg/Image', 'cdr', '');"
    )
    for statement in statements:
        database.executescript(statement)
    database.commit()
    database.close()
    return path


MESSAGES = (
    "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,"
    " timestamp INTEGER NOT NULL, data BLOB NOT NULL);"
)


def ply(path: Path, points: np.ndarray) -> Path:
    """A binary cloud without colors."""
    head = (f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n"
            "property float x\nproperty float y\nproperty float z\nend_header\n")  # fmt: skip
    path.write_bytes(head.encode() + points.astype("<f4").tobytes())
    return path


def yaml_of_merges(depth: int, width: int = 10) -> str:
    """Tables that merge the one before so many times each."""
    lines = ["a0: &a0 {k: 1}"]
    for i in range(1, depth + 1):
        entries = ", ".join(f"k{j}: {{<<: *a{i - 1}}}" for j in range(width))
        lines.append(f"a{i}: &a{i} {{{entries}}}")
    return "\n".join(lines) + "\n"


Maker = Callable[[Path], Path]

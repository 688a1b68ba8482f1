"""Changes to the bytes of a file: blind ones, and those that know the format's checksums."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

Change = Callable[[random.Random, bytes], bytes]

EXTREMES = (0, 1, -1, 127, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1)
WORDS = (
    b"-1", b"0", b"1e37", b"1e400", b"nan", b"inf", b"-inf", b"1000000000000", b"9" * 400, b"",
    b"null", b"true", b"[]", b"{}", b'"x"', b"\xff\xfe", b"*a", b"&a", b"<<: *a", b"# comment",
    b"comment", b"element vertex", b"property list uchar int x", b"end_header", b"../../x",
    b"\x00", "\U0001f980".encode(),
)  # fmt: skip
MAX_CHANGES = 8
PNG_HEAD = 8


def mutate(rng: random.Random, data: bytes, name: str, other: bytes) -> bytes:
    """``data`` changed at random. name: of its file. other: what may be spliced in."""
    for suffix, change in STRUCTURED.items():
        if name.endswith(suffix) and rng.random() < 0.5:
            return change(rng, data)
    if rng.random() < 0.05:
        cut = rng.randrange(len(other) + 1)
        return data[: rng.randrange(len(data) + 1)] + other[cut:]
    return _blind(rng, data)


def _blind(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.randint(1, MAX_CHANGES)):
        data = rng.choice(BLIND)(rng, data)
    return data


def _place(rng: random.Random, data: bytes) -> int:
    """Somewhere, more often than not near the start or the end, where the tables are."""
    near = min(rng.choice((64, 512, 4096)), len(data))
    at = rng.randrange(near) if near else 0
    return rng.choice((at, len(data) - 1 - at, rng.randrange(len(data)))) if data else 0


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[_place(rng, data)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(changed)


def _field(rng: random.Random, data: bytes) -> bytes:
    """Overwrite a number of 2, 4 or 8 bytes: a length, an offset or a count."""
    size, at = rng.choice((2, 4, 8)), _place(rng, data)
    value = rng.choice((*EXTREMES, rng.randrange(len(data) + 1))) % (1 << 8 * size)
    return data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: _place(rng, data)] if rng.random() < 0.3 else data


def _remove(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice((1, 4, 16, 200)) :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    at, size = _place(rng, data), rng.choice((1, 8, 64, 1000))
    return data[:at] + data[at : at + size] * rng.choice((2, 3, 20)) + data[at + size :]


def _word(rng: random.Random, data: bytes) -> bytes:
    """Replace a number or a word, or put one in."""
    found = list(re.finditer(rb"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?|[A-Za-z_]+", data[:4000]))
    if not found or rng.random() < 0.2:
        at = _place(rng, data)
        return data[:at] + rng.choice(WORDS) + data[at:]
    match = rng.choice(found)
    return data[: match.start()] + rng.choice(WORDS) + data[match.end() :]


BLIND: tuple[Change, ...] = (_flip, _flip, _set, _field, _cut, _remove, _repeat, _word)


def _zip(rng: random.Random, data: bytes) -> bytes:
    """Change one entry within, or how it is stored, and pack the archive whole again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile:
        return _blind(rng, data)
    chosen = rng.choice(list(entries))
    entries[chosen] = _blind(rng, entries[chosen])
    if rng.random() < 0.1:
        entries[rng.choice((chosen + "x", "masks.npy", "a/data.pkl"))] = entries.pop(chosen)
    packed = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    method = rng.choices(methods, (6, 3, 1, 1))[0]
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _png(rng: random.Random, data: bytes) -> bytes:
    """Change one chunk and put its checksum right."""
    chunks, at = [], PNG_HEAD
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    chosen = rng.randrange(len(chunks))
    kind, body = chunks[chosen]
    chunks[chosen] = kind, _blind(rng, body)
    return data[:PNG_HEAD] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _mcap(rng: random.Random, data: bytes) -> bytes:
    """Take the checksums of the chunks away, then change what is in them."""
    changed, at = bytearray(data), 8
    chunks = []
    while at + 9 <= len(data):
        kind, length = struct.unpack_from("<BQ", data, at)
        if kind == 0x06:
            changed[at + 33 : at + 37] = bytes(4)
            chunks.append(slice(at + 49, at + 9 + length))
        at += 9 + length
    if not chunks:
        return _blind(rng, data)
    chunk = rng.choice(chunks)
    body = bytes(changed[chunk])
    for _ in range(rng.randint(1, MAX_CHANGES)):
        body = rng.choice((_flip, _set, _field))(rng, body)
    changed[chunk] = body[: chunk.stop - chunk.start]
    return bytes(changed)


STRUCTURED: dict[str, Change] = {
    ".npz": _zip, ".pt": _zip, ".ckpt": _zip, ".r3d": _zip, ".png": _png, ".mcap": _mcap,
}

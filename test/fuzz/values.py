"""Fields of messages and requests changed at random, each within what its type can carry."""

from __future__ import annotations

import array
import random
import re
from typing import Any

import numpy as np

STRINGS = (
    "", " ", "\t\n", "a", "a red box", "map", "/map", "//map", "base_link", "\x01\x1b[2J\x07\r\n",
    "\U0001f980\U0001f9f8", "e\u0301\u0323" * 40, "\u202eright to left", "\ufeff\u0000x",
    "a" * 5_000, "\U0001f980" * 1_030, "x" * 1_000_000, "..", ".", "../../x", "/etc/passwd",
    "a/../../../b", "~", "~/x", "a/" * 2_500 + "b", "n" * 300, "a\\..\\b", "CON", "%s%n{}{0}",
    "$(id)", "'; --", "nan", "-1", "0", "[]", "{a: b}", "*a", "mean", "max", "rgb8", "16UC1",
)  # fmt: skip
FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-9, 1e-300, 1e5, 1e9, 3e38, 1e300, float("nan"), float("inf"),
    float("-inf"),
)  # fmt: skip
MAX_FLOAT32 = 3.4e38
BITS = {"boolean": 1, "octet": 8, "byte": 8, "char": 8}
CONTAINER = re.compile(r"(?:sequence<(.+?)(?:, \d+)?>|(.+)\[\d*\])")


def changed(rng: random.Random, message: Any, changes: int = 1) -> Any:
    """``message`` itself, with so many of its fields, or theirs, replaced."""
    for _ in range(changes):
        _change(rng, message)
    return message


def value(rng: random.Random, kind: str, old: Any = None) -> Any:
    """A value of a type as rosidl names it; arrays are made of the old value."""
    if kind == "boolean":
        return rng.random() < 0.5
    if kind.startswith(("string", "wstring")):
        return rng.choice(STRINGS)
    if kind in {"float", "double"}:
        found = rng.choice((*FLOATS, rng.uniform(-2, 2)))
        small = kind == "double" or not np.isfinite(found) or abs(found) < MAX_FLOAT32
        return found if small else MAX_FLOAT32
    if (match := re.fullmatch(r"(u?)int(\d+)", kind)) or kind in BITS:
        bits = int(match[2]) if match else BITS[kind]
        low = -(1 << bits - 1) if match and not match[1] else 0
        high = low + (1 << bits) - 1
        drawn = rng.choice((0, 1, 2, 7, 255, 256, 65_535, low, high, high // 2, old or 0,
                            (old or 0) + 1, rng.randint(low, high)))  # fmt: skip
        return min(max(drawn, low), high)
    raise ValueError(kind)


def content(rng: random.Random, data: bytes) -> bytes:
    """Bytes cut, lengthened, emptied or with some of them replaced."""
    choice = rng.randrange(5)
    if choice == 0:
        return b""
    if choice == 1:
        return data[: rng.randrange(len(data) + 1)]
    if choice == 2:
        return data + rng.randbytes(rng.choice((1, 3, 1000)))
    if choice == 3:
        return bytes([rng.choice((0, 127, 255))]) * len(data)
    broken = bytearray(data)
    for _ in range(rng.choice((1, 10, 200)) if data else 0):
        broken[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(broken)


def _change(rng: random.Random, message: Any) -> None:
    name, kind = rng.choice(list(message.get_fields_and_field_types().items()))
    old = getattr(message, name)
    if hasattr(old, "get_fields_and_field_types"):
        _change(rng, old)
    elif (inner := CONTAINER.fullmatch(kind)) is None:
        setattr(message, name, value(rng, kind, old))
    else:
        setattr(message, name, _many(rng, inner[1] or inner[2], old))


def _many(rng: random.Random, kind: str, old: Any) -> Any:
    """An array or a sequence of values of ``kind``."""
    if kind == "uint8":
        return array.array("B", content(rng, bytes(old)))
    if isinstance(old, np.ndarray):
        new = old.copy()
        new[rng.randrange(len(new)) if rng.random() < 0.8 else slice(None)] = value(rng, kind)
        return new
    if kind in {"float", "double"} or re.fullmatch(r"u?int\d+", kind):
        return [value(rng, kind) for _ in range(rng.choice((0, 1, 4, 5, 12, 1000)))]
    items = list(old)
    if items and rng.random() < 0.7:
        chosen = rng.randrange(len(items))
        if hasattr(items[chosen], "get_fields_and_field_types"):
            _change(rng, items[chosen])
        return items
    return rng.choice(([], items[1:], items * 2, items[::-1], items * 300))

"""The pickle of a PyTorch file, read into placeholders: nothing that it names is called.

Plain containers, tensors and NumPy arrays are recognized; whatever else it asks for becomes an
inert placeholder. Time and memory are bounded by the size of the pickle.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, expect, reason_of

MAX_STEPS = 300_000
"""Instructions of a pickle; a network of 2,000 tensors with its optimizer takes a third."""
MAX_DIMENSIONS = 16
MAX_NUMBER = 1 << 62
REFUSED = (
    pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.EXT1, pickle.EXT2, pickle.EXT4,
)
"""Byte arrays, for which memory of any named size is reserved, and what is not in the file."""

STORAGE_TYPES = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}
ARRAY_TYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


def read_pickle(content: bytes) -> Any:
    """The object that a pickle describes, with placeholders. Raises InputError."""
    try:
        return _Unpickler(content).load()
    except Exception as error:
        detail = str(error) if isinstance(error, InputError) else reason_of(error)
        raise InputError(f"expected a readable table of tensors, got: {detail}") from error


@dataclass(frozen=True)
class Storage:
    """``count`` values of a PyTorch type in the archive's file ``key``."""

    dtype: str
    itemsize: int
    key: str
    count: int


@dataclass(frozen=True)
class StoredView:
    """A tensor that is still in the archive."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """The memory that the tensor takes."""
        return math.prod(self.size) * self.storage.itemsize

    def check(self) -> None:
        """Raise InputError unless the tensor lies within its storage and is no larger."""
        values, count = math.prod(self.size), self.storage.count
        expect(values <= count, f"a tensor of at most {count} values, as stored", self.size)
        last = self.offset + sum(
            (n - 1) * step for n, step in zip(self.size, self.stride, strict=True)
        )
        expect(not values or last < count, f"a tensor within {count} values", f"value {last}")


@dataclass(frozen=True)
class StoredSparse:
    """A sparse tensor (COO) that is still in the archive."""

    size: tuple[int, ...]
    indices: StoredView
    values: StoredView


class StoredArray:
    """A NumPy array: how it is laid out, and its bytes, which the pickle itself holds."""

    def __init__(self) -> None:
        self._state: Any = None

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def to_array(self) -> npt.NDArray[Any]:
        """The array in native byte order. Raises InputError if the parts do not fit."""
        state = self._state
        if not (isinstance(state, tuple) and len(state) == 5):
            raise InputError("expected the state of an array, got none")
        _, shape, dtype, by_column, raw = state
        shape = _sizes(shape)
        expect(isinstance(dtype, _Dtype), "an array of numbers", "another one")
        expect(isinstance(raw, bytes), "bytes of an array", type(raw).__name__)
        kind = dtype.to_dtype()
        size = math.prod(shape) * kind.itemsize
        expect(len(raw) == size, f"an array {shape} of {size} bytes", len(raw))
        if kind.kind == "b":
            raw = np.minimum(np.frombuffer(raw, np.uint8), 1).tobytes()
        array = np.frombuffer(raw, kind).reshape(shape, order="F" if by_column else "C")
        return array.astype(kind.newbyteorder("="), copy=False)


class _Dtype:
    """A NumPy type; its state tells the byte order."""

    def __init__(self, name: object = None, *_: object):
        self._name, self._order = name, "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self._order = state[1].replace("|", "=")

    def to_dtype(self) -> np.dtype[Any]:
        expect(self._name in ARRAY_TYPES, f"an array of {', '.join(ARRAY_TYPES)}", self._name)
        return np.dtype(f"{self._order}{self._name}")


class _Inert:
    """Stands for any other object: takes everything, does nothing."""

    def __new__(cls, *_: object, **__: object) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, item: object) -> None:
        """Ignore a list item."""

    def extend(self, items: object) -> None:
        """Ignore list items."""

    def add(self, item: object) -> None:
        """Ignore a set item."""


class _Steps(dict[int, Callable[[Any], None]]):
    """The instructions of the unpickler by code, of which a limited number is given out."""

    left = MAX_STEPS

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.left -= 1
        if self.left < 0:
            raise InputError(f"expected a table of at most {MAX_STEPS} instructions, got more")
        if code not in self:
            raise InputError(f"expected instructions of a plain pickle, got {code}")
        return super().__getitem__(code)


class _Unpickler(pickle._Unpickler):
    """Builds plain containers and placeholders; every other name resolves to :class:`_Inert`.

    The base is the implementation in Python: that in C reserves memory for any memo number that
    a file names.
    """

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content))
        self._encodable = len(content)
        steps: dict[int, Callable[[Any], None]] = {
            code: load
            for code, load in pickle._Unpickler.dispatch.items()
            if code not in {refused[0] for refused in REFUSED}
        }
        for code, guarded in (
            (pickle.SETITEM, _Unpickler.load_setitem), (pickle.SETITEMS, _Unpickler.load_setitems),
            (pickle.BUILD, _Unpickler.load_build), (pickle.DICT, _Unpickler.load_dict),
            (pickle.ADDITEMS, _Unpickler.load_items), (pickle.FROZENSET, _Unpickler.load_items),
        ):
            steps[code[0]] = guarded
        self.dispatch = _Steps(steps)  # type: ignore[misc]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _ordered
        if module in ("torch", "torch.storage") and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        if (module, name) == ("torch", "Size"):
            return _sizes
        if module == "torch._utils" and name in REBUILT:
            return REBUILT[name]
        if module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _reconstruct if name == "_reconstruct" else _Inert
        if (module, name) == ("numpy", "dtype"):
            return _Dtype
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        if name == "bytes" and module in ("builtins", "__builtin__"):
            return _no_bytes
        return _Inert

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _, count = pid
        if kind != "storage" or dtype not in STORAGE_TYPES.values():
            return _Inert()
        expect(isinstance(key, str), "the name of a storage", type(key).__name__)
        return Storage(dtype[0], dtype[1], key, _number(count))

    def _encode(self, text: object = "", encoding: object = "latin1") -> object:
        """The bytes of an array, which a pickle of protocol 2 holds as text."""
        if not isinstance(text, str) or encoding != "latin1":
            return _Inert()
        self._encodable -= len(text)
        expect(self._encodable >= 0, "each array once", "one again and again")
        return text.encode("latin1")

    def load_build(self) -> None:
        state = self.stack.pop()  # type: ignore[attr-defined]
        built = self.stack[-1]  # type: ignore[attr-defined]
        if isinstance(built, (StoredArray, _Dtype)):
            built.__setstate__(state)

    def load_setitem(self) -> None:
        _check_keys(self.stack[-2:-1])  # type: ignore[attr-defined]
        super().load_setitem()  # type: ignore[misc]

    def load_setitems(self) -> None:
        _check_keys(self.stack[::2])  # type: ignore[attr-defined]
        super().load_setitems()  # type: ignore[misc]

    def load_dict(self) -> None:
        _check_keys(self.stack[::2])  # type: ignore[attr-defined]
        super().load_dict()  # type: ignore[misc]

    def load_items(self) -> None:
        """Put an empty placeholder where a set would be filled or made."""
        items = self.pop_mark()  # type: ignore[attr-defined]
        del items
        if not self.stack or not isinstance(self.stack[-1], set):  # type: ignore[attr-defined]
            self.append(_Inert())  # type: ignore[attr-defined]


def _check_keys(keys: list[Any]) -> None:
    """Refuse keys that are nested tuples, of which one may take for ever to hash."""
    for key in keys:
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, (tuple, frozenset)) for part in parts):
            raise InputError("expected plain keys in a table, got a nested one")


def _ordered(*_: object) -> dict[Any, Any]:
    return {}


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < MAX_NUMBER:
        raise InputError(f"expected a size of at least 0, got {type(value).__name__}")
    return value


def _sizes(values: object = ()) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > MAX_DIMENSIONS:
        raise InputError(f"expected up to {MAX_DIMENSIONS} sizes, got {type(values).__name__}")
    return tuple(map(_number, values))


def _rebuild_tensor(storage: object, offset: object, size: object, stride: object, *_: object
                    ) -> object:  # fmt: skip
    if not isinstance(storage, Storage):
        return _Inert()
    view = StoredView(storage, _number(offset), _sizes(size), _sizes(stride))
    expect(len(view.size) == len(view.stride), "as many strides as sizes", len(view.stride))
    return view


def _rebuild_parameter(data: object, *_: object) -> object:
    return data


def _rebuild_sparse(layout: object, data: object, *_: object) -> object:
    if not isinstance(data, tuple) or len(data) < 3:
        return _Inert()
    indices, values, size = data[:3]
    if not (isinstance(indices, StoredView) and isinstance(values, StoredView)):
        return _Inert()
    return StoredSparse(_sizes(size), indices, values)


def _no_bytes(*_: object) -> bytes:
    """What an array without values holds; no other bytes are made by a call."""
    return b""


def _reconstruct(*_: object) -> StoredArray:
    return StoredArray()


REBUILT: dict[str, Callable[..., object]] = {
    "_rebuild_tensor_v2": _rebuild_tensor,
    "_rebuild_parameter": _rebuild_parameter,
    "_rebuild_sparse_tensor": _rebuild_sparse,
}

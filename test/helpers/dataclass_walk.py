"""The dataclasses of a package, and which of them hold arrays, straight or through others."""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import pkgutil
import typing

import numpy as np

ARRAY_PACKAGES = ("torch", "scipy.sparse")


def dataclasses_of(package):
    """Every dataclass that a module of the package defines."""
    root = importlib.import_module(package)
    names = [package, *(m.name for m in pkgutil.walk_packages(root.__path__, f"{package}."))]
    for name in names:
        for value in list(vars(importlib.import_module(name)).values()):
            if (
                isinstance(value, type)
                and value.__module__ == name
                and dataclasses.is_dataclass(value)
            ):
                yield value


def holds_arrays(hint, seen=frozenset()):
    """Whether a value of this type holds an array whose ``==`` is not a truth value."""
    if hint in seen:
        return False
    origin = typing.get_origin(hint)
    if origin is collections.abc.Callable:
        return False
    if any(holds_arrays(argument, seen) for argument in typing.get_args(hint)):
        return True
    kind = origin or hint
    if not isinstance(kind, type):
        return False
    if issubclass(kind, np.ndarray) or kind.__module__.startswith(ARRAY_PACKAGES):
        return True
    if not dataclasses.is_dataclass(kind):
        return False
    hints = typing.get_type_hints(kind)
    return any(holds_arrays(hints[f.name], seen | {hint}) for f in dataclasses.fields(kind))


def compared_by_arrays(package):
    """Names of the dataclasses that hold arrays and compare them with ``==``."""
    return [
        f"{kind.__module__}.{kind.__qualname__}" for kind in dataclasses_of(package)
        if kind.__dataclass_params__.eq and holds_arrays(kind)
    ]

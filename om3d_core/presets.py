"""Presets: files of settings in the layout of ROS parameter files.

One file serves the nodes as ``params_file`` and the commands as ``--preset``::

    mapper:
      ros__parameters:
        views:
          selection: diverse

A preset names what it changes; every other setting keeps its default, and a flag on the command
line wins over both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from om3d_core.errors import InputError, SettingsError
from om3d_core.files import read_yaml, user_path
from om3d_core.settings import Value

PARAMETERS = "ros__parameters"
DEFAULT_PRESET = "default"
SUFFIX = ".yaml"
MAX_SETTINGS = 10_000
MAX_DEPTH = 8


def preset_names() -> list[str]:
    """The presets that come with om3d."""
    return sorted(path.stem for path in preset_folder().glob(f"*{SUFFIX}"))


def preset_folder() -> Path:
    """The folder ``config``: in the package, in the share folder of a workspace, or the source.

    Raises :class:`SettingsError` if the installation has none.
    """
    package = Path(__file__).resolve().parent
    shares = [parent / "share" / "om3d" / "config" for parent in Path(__file__).parents]
    for folder in (package / "config", *shares, package.parent / "config"):
        if (folder / f"openmask3d{SUFFIX}").is_file():
            return folder
    raise SettingsError(f"expected presets beside {package}, found no folder config")


def read_preset(name: str, node: str = "mapper") -> dict[str, Value]:
    """The dotted names and values that a preset, or a file of that layout, gives to ``node``.

    Raises :class:`SettingsError` for an unknown preset and for a file that is not one.
    """
    path = _find(name)
    return settings_of(read_sections(path), path, node)


def read_sections(path: Path) -> Mapping[Any, Any]:
    """The content of a file of settings. Raises :class:`SettingsError` for one that is none."""
    try:
        content = read_yaml(path)
    except InputError as error:
        raise SettingsError(f"{path}: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path}: expected a file of settings, got {error}") from error
    if not isinstance(content, Mapping):
        raise SettingsError(f"{path}: expected node names with {PARAMETERS}")
    return content


def settings_of(content: Mapping[Any, Any], path: Path, node: str) -> dict[str, Value]:
    """The dotted names and values that the ``content`` of ``path`` gives to ``node``.

    Raises :class:`SettingsError` for what is not of that layout.
    """
    values: dict[str, Value] = {}
    for key, section in content.items():
        parameters = section.get(PARAMETERS) if isinstance(section, Mapping) else None
        if not isinstance(parameters, Mapping):
            raise SettingsError(f"{path}: {key}: expected {PARAMETERS}")
        if str(key).rpartition("/")[2] in {node, "**"}:
            for dotted, value in _leaves(parameters, path):
                values[dotted] = value
                if len(values) > MAX_SETTINGS:
                    raise SettingsError(f"{path}: expected at most {MAX_SETTINGS} settings")
    return values


def _find(name: str) -> Path:
    path = user_path(name)
    if path.suffix in {SUFFIX, ".yml"} or path.is_file():
        if not path.is_file():
            raise SettingsError(f"preset: expected a file, found no {path}")
        return path
    known = preset_names()
    if name not in known:
        raise SettingsError(
            f"preset: expected one of {', '.join(known)} or a {SUFFIX} file, got {name!r}"
        )
    return preset_folder() / f"{name}{SUFFIX}"


def _leaves(
    section: Mapping[Any, Any], path: Path, prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Value]]:
    if depth > MAX_DEPTH:
        raise SettingsError(f"{path}: {prefix}: expected groups at most {MAX_DEPTH} deep")
    for key, value in section.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, path, f"{name}.", depth + 1)
        elif isinstance(value, (bool, int, float, str)):
            yield name, value
        else:
            raise SettingsError(f"{path}: {name}: expected one value, got {value!r:.60}")

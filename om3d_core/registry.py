"""Plug-ins: a registry a kind, an entry a plug-in, which is its class and its settings type.

Choices of settings, settings trees, flags, ROS parameters and the generated YAML follow from the
entries, as they are when they are asked for. Classes are imported when they are needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from om3d_core.errors import SettingsError
from om3d_core.settings import Groups, Settings


@dataclass(frozen=True)
class Plugin:
    """One plug-in.

    implementation: ``module:name`` of its class. settings: ``module:name`` of the type of its
    settings, or the name alone if it is in the same module; the class is made with an instance of
    it. Empty: it has none, and the class is made without. weights: which of the settings names
    the model that it loads, for ``om3d models check``; empty: it loads none.

    A module named here is imported without the libraries of networks, which are imported in
    constructors.
    """

    implementation: str
    settings: str = ""
    weights: str = ""


class Registry(dict[str, Plugin]):
    """The plug-ins of one kind by name; the group of a plug-in's settings has its name.

    kind: what they are, for messages.
    """

    def __init__(self, kind: str, plugins: Mapping[str, Plugin]):
        super().__init__(plugins)
        self.kind = kind

    def plugin(self, name: str) -> Plugin:
        """The entry of a name; raises :class:`SettingsError` for an unknown one."""
        if name not in self:
            known = ", ".join(sorted(self))
            raise SettingsError(f"unknown {self.kind} {name!r:.80}, expected one of {known}")
        return self[name]

    def implementation(self, name: str) -> Any:
        """The class of a plug-in."""
        return _import(self.plugin(name).implementation)

    def settings_type(self, name: str) -> type[Settings] | None:
        """The type of a plug-in's settings; None if it has none."""
        plugin = self.plugin(name)
        if not plugin.settings:
            return None
        module = plugin.implementation.partition(":")[0]
        path = plugin.settings if ":" in plugin.settings else f"{module}:{plugin.settings}"
        found: type[Settings] = _import(path)
        return found

    def create(self, name: str, settings: PluginSettings | None = None) -> Any:
        """The plug-in made with its group of ``settings``, by default with its defaults.

        Raises :class:`SettingsError` for an unknown name and what the class raises, such as
        :class:`ModelError` where weights are missing.
        """
        factory, kind = self.implementation(name), self.settings_type(name)
        if kind is None:
            return factory()
        return factory(kind() if settings is None else settings[name])


class PluginSettings(Groups):
    """The settings of every plug-in of a registry that has some, by its registered name."""

    registry: ClassVar[Registry]

    @classmethod
    def kinds(cls) -> Mapping[str, type[Settings]]:
        """The type of each plug-in's settings."""
        types = {name: cls.registry.settings_type(name) for name in cls.registry}
        return {name: kind for name, kind in types.items() if kind is not None}


def _import(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)

"""The names that things may get: those of the package, or the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from om3d_core.encoders.phrases import MAX_CHARACTERS, clean_prompt, thing_in
from om3d_core.errors import InputError, SettingsError
from om3d_core.files import read_regular
from om3d_core.query.things import named_things, usual_sizes_m
from om3d_core.settings import Settings, setting

MAX_NAMES = 10_000
MAX_FILE_BYTES = 1_000_000
ANY_SIZE_M = (1e-6, np.inf)


@dataclass(frozen=True)
class NameSettings(Settings):
    """How instances get their names."""

    enabled: bool = setting(True, "give instances the likeliest names of a vocabulary")
    vocabulary: str = setting(
        "", "names to choose from, separated by commas; empty: those of names.file"
    )
    file: str = setting(
        "", "file of names, one thing a line, with other words for it behind commas, # before"
        " remarks; empty: the things of homes and offices that come with the package",
    )
    min_probability: float = setting(
        0.0, "probability below which an instance stays without a name; 0: as it was fitted for"
        " the encoder", low=0.0, high=1.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vocabulary and self.file:
            raise SettingsError("names.vocabulary: expected it or names.file, got both")


@dataclass(frozen=True)
class Thing:
    """A name, which is shown, and all words for the thing, the name first.

    longest_m: how long its longest side usually is, from and to, meters. common: 0 to 2, see
    :class:`~om3d_core.query.things.KnownThing`; names that somebody chose are all alike.
    """

    name: str
    words: tuple[str, ...]
    longest_m: tuple[float, float] = ANY_SIZE_M
    common: int = 0


def read_vocabulary(settings: NameSettings) -> tuple[Thing, ...]:
    """The things that the settings name.

    Raises :class:`SettingsError` that names the setting and the line for a file that cannot be
    read, for no name, over 10,000 words, one without letter or digit or longer than 1000
    characters, and a name that is there twice.
    """
    if settings.vocabulary:
        names = (name.strip() for name in settings.vocabulary.split(","))
        lines: Iterable[tuple[str, str]] = (("names.vocabulary", name) for name in names if name)
        return _things("names.vocabulary", lines)
    if not settings.file:
        return tuple(
            Thing(known.words[0], known.words, known.longest_m, known.common)
            for known in named_things()
        )
    at = f"names.file: {settings.file}"
    try:
        text = read_regular(Path(settings.file), MAX_FILE_BYTES).decode()
    except (OSError, ValueError, InputError) as error:
        raise SettingsError(f"{at}: cannot be read: {error}") from error
    stripped = (line.split("#", 1)[0].strip() for line in text.splitlines())
    numbered = ((f"{at}: line {n}", line) for n, line in enumerate(stripped, 1) if line)
    return _things(at, numbered)


def _things(at: str, lines: Iterable[tuple[str, str]]) -> tuple[Thing, ...]:
    things: dict[str, Thing] = {}
    n_words = 0
    for where, line in lines:
        words = tuple(dict.fromkeys(" ".join(word.split()) for word in line.split(",")))
        for word in words:
            if not any(map(str.isalnum, word)) or len(word) > MAX_CHARACTERS:
                raise SettingsError(
                    f"{where}: expected words with letters or digits, of at most"
                    f" {MAX_CHARACTERS} characters, got {word!r:.80}"
                )
        if words[0] in things:
            raise SettingsError(f"{where}: expected each name once, got {words[0]!r:.80} again")
        things[words[0]] = Thing(words[0], words, _usual_m(words))
        n_words += len(words)
        if n_words > MAX_NAMES:
            raise SettingsError(f"{at}: expected at most {MAX_NAMES} words, got more")
    if not things:
        raise SettingsError(f"{at}: expected at least one name, got none")
    return tuple(things.values())


def _usual_m(words: tuple[str, ...]) -> tuple[float, float]:
    """The usual size by the first of the words of which one is known, else any."""
    sizes = usual_sizes_m()
    known = (thing_in(clean_prompt(word), sizes) for word in words)
    return next((sizes[thing] for thing in known if thing is not None), ANY_SIZE_M)

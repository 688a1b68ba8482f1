"""The rows of the benchmark: what each measures, its bar, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from om3d_core.errors import InputError, Om3dError, SettingsError, expect
from om3d_core.settings import split_names

PASS, FAIL, NOT_RUN = "pass", "fail", "not run"
AT_LEAST, AT_MOST = ">=", "<="
DIGITS = 4


class CannotMeasureError(Om3dError):
    """A row cannot be measured on this machine; the text says why."""


@dataclass(frozen=True)
class Bar:
    """A limit that a number must keep: ``>= limit`` or ``<= limit``, in ``unit``."""

    relation: str
    limit: float
    unit: str = ""

    def __post_init__(self) -> None:
        expect(self.relation in {AT_LEAST, AT_MOST}, f"{AT_LEAST} or {AT_MOST}", self.relation)
        expect(math.isfinite(self.limit), "a finite limit", self.limit)

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}{' ' * bool(self.unit)}{self.unit}"

    def holds(self, value: float) -> bool:
        """Whether ``value`` keeps it; NaN never does."""
        return value >= self.limit if self.relation == AT_LEAST else value <= self.limit


@dataclass(frozen=True)
class Spec:
    """What a row measures. stage: the rows that are measured together have one. needs_nodes: it is
    about the ROS 2 nodes."""

    id: str
    stage: str
    what: str
    bar: Bar
    needs_nodes: bool = False


def _most(limit: float, unit: str = "") -> Bar:
    return Bar(AT_MOST, limit, unit)


def _least(limit: float, unit: str = "") -> Bar:
    return Bar(AT_LEAST, limit, unit)


SPECS = tuple(
    Spec(*entry)
    for entry in (
        ("P1", "views", "visibility, counts and boxes of 150 instances on 250,000 points against"
         " float64 NumPy", _least(10, "x")),
        ("P2", "views", "100 frames x 60 masks x 100,000 points to chosen views against the"
         " original", _least(40, "x")),
        ("P3", "crops", "image encodings by SAM a distinct frame", _most(1)),
        ("P4", "crops", "crops encoded while views come in random order, of k (1 + ln(n / k)) x"
         " levels", _most(1)),
        ("P5", "crops", "encoder throughput in the pipeline, of the encoder's alone",
         _least(0.9)),
        ("P6", "query", "p99 of a text query on 10,000 instances x 5 views x 1152 numbers",
         _most(10, "ms")),
        ("P7", "nodes", "mapper node at 640x480 and 30 Hz: p99 of a callback", _most(2, "ms"),
         True),
        ("P8", "scoring", "AP at 1,659 classes against the published loop", _least(15, "x")),
        ("P9", "map", "a map from nothing, of the clip's own duration", _most(1)),
        ("P10", "map", "peak memory of that", _most(1.5, "GB")),
        ("P11", "growth", "a refresh on entering the sixth room of a corridor, of a batch run",
         _most(0.15)),
        ("P12", "sparse", "Res16UNet34C on 100,000 voxels against MinkowskiEngine",
         _least(1, "x")),
        ("P13", "growth", "crops encoded with a refresh every 20 frames, of a batch run",
         _most(1.5)),
        ("P14", "growth", "ids kept from refresh to refresh, every 20 frames", _least(98, "%")),
        ("P15", "growth", "refresh in room n of a corridor, of that in room 2, n up to 12",
         _most(1.3)),
        ("P16", "nodes", "bytes published by a refresh with nothing new in view, of the full"
         " state", _most(1, "%"), True),
        ("P17", "nodes", "one answer of query_text by default", _most(50, "kB"), True),
        ("P18", "nodes", "images used by the mapper of a reliable camera at 10 Hz",
         _least(98, "%"), True),
    )
)  # fmt: skip
SPEC_OF = {spec.id: spec for spec in SPECS}
STAGES = tuple(dict.fromkeys(spec.stage for spec in SPECS))


@dataclass(frozen=True)
class Check:
    """A number against a bar."""

    name: str
    value: float
    bar: Bar

    @property
    def holds(self) -> bool:
        """Whether the bar is kept."""
        return self.bar.holds(self.value)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name, "value": _number(self.value), "unit": self.bar.unit,
            "bar": str(self.bar), "verdict": PASS if self.holds else FAIL,
        }  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A row as measured: checks, the first against the bar of ``spec``; or ``why`` there are none.

    details: what else was measured, for JSON.
    """

    spec: Spec
    checks: tuple[Check, ...] = ()
    why: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expect(bool(self.checks) or bool(self.why), "a number, or why there is none", "neither")

    @property
    def verdict(self) -> str:
        """``pass`` where every check holds, ``fail`` where one does not, else ``not run``."""
        if not self.checks:
            return NOT_RUN
        return PASS if all(check.holds for check in self.checks) else FAIL

    @property
    def value(self) -> float | None:
        """The number that the row is about."""
        return self.checks[0].value if self.checks else None

    @property
    def reason(self) -> str:
        """Why there is no number, or which checks fail."""
        failed = [c for c in self.checks if not c.holds]
        texts = [f"{c.name}: {format_number(c.value)} {c.bar.unit}".strip() + f" ({c.bar})"
                 for c in failed]
        return "; ".join([*texts, *([self.why] if self.why else [])])

    def to_json(self) -> dict[str, Any]:
        """For programs; every row has the same keys."""
        return {
            "id": self.spec.id,
            "stage": self.spec.stage,
            "what": self.spec.what,
            "value": None if self.value is None else _number(self.value),
            "unit": self.spec.bar.unit,
            "bar": str(self.spec.bar),
            "verdict": self.verdict,
            "why": self.reason,
            "details": {**self.details, "checks": [check.to_json() for check in self.checks]},
        }


def measured(
    row_id: str, name: str, value: float, *more: Check, why: str = "", **details: Any
) -> Row:
    """The row of a number, which is called ``name``, against the row's own bar."""
    spec = SPEC_OF[row_id]
    return Row(spec, (Check(name, float(value), spec.bar), *more), why, details)


def not_run(spec: Spec, why: str) -> Row:
    """A row without a number."""
    return Row(spec, why=why)


def chosen(only: str) -> tuple[Spec, ...]:
    """The rows that a list of ids and stages, separated by commas, names; empty names all.

    Raises :class:`SettingsError` that lists what there is.
    """
    names = split_names(only)
    known = {*SPEC_OF, *STAGES}
    unknown = [name for name in names if name not in known]
    if unknown or (only and not names):
        raise SettingsError(
            f"--only: expected ids P1 to P{len(SPECS)} or stages {', '.join(STAGES)}, separated"
            f" by commas, got {', '.join(unknown) or repr(only)}"
        )
    return tuple(s for s in SPECS if not names or s.id in names or s.stage in names)


def format_number(value: float | None) -> str:
    """A number for people, four digits; a dash for none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.{DIGITS - 1}g}"


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise InputError(f"expected a finite measurement, got {value}")
    return round(value, 6)


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows have each verdict."""
    result = {PASS: 0, FAIL: 0, NOT_RUN: 0}
    for row in rows:
        result[row.verdict] += 1
    return result

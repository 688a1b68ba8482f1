"""The tables of the paper, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from om3d_core.evaluation.paper.rows import ROWS, TablePlan
from om3d_core.evaluation.paper.summary import Columns, Percents, Summary
from om3d_core.sources.datasets.label_sets import GROUPS

AP_NAMES = ("AP", "AP50", "AP25")


def print_tables(summary: Summary, plan: TablePlan, n_scenes: int) -> None:
    """Print what the rows score over ``n_scenes`` scenes, beside the paper's numbers."""
    console = Console()
    masks = ", ".join(f"{n} {t}" for n, t in zip(AP_NAMES, _texts(summary.masks), strict=True))
    scenes = "one scene" if n_scenes == 1 else f"{n_scenes} scenes"
    print(f"{plan.title}: {scenes}, percent\nmasks whatever their labels: {masks}\n")
    for protocol, columns in summary.protocols.items():
        published = summary.published if protocol == "paper" else {}
        beside = {**columns, **{f"paper\n{key}": rows for key, rows in published.items()}}
        console.print(_table(f"protocol {protocol}", beside, AP_NAMES))
    for protocol, columns in summary.groups.items():
        console.print(_table(f"protocol {protocol}, AP by frequency", columns, GROUPS))


def _table(title: str, columns: Columns, names: Sequence[str]) -> Table:
    """A row for every row of the first of the columns."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    table.add_column("row", no_wrap=True)
    for key in columns:
        for name in names:
            table.add_column(f"{key.replace('top', 'top-')}\n{name}", justify="right")
    titles = {row.name: row.title for row in ROWS}
    for row in next(iter(columns.values())):
        cells = (rows.get(row, [None] * len(names)) for rows in columns.values())
        table.add_row(titles[row], *(text for cell in cells for text in _texts(cell)))
    return table


def _texts(values: Percents) -> list[str]:
    return ["" if value is None else f"{value:.1f}" for value in values]

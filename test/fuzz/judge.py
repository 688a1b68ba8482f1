"""How long reading a file may take, and how much memory."""

from __future__ import annotations

from fuzz.probe import Result
from fuzz.tally import GOOD

MAX_SECONDS = 1.0
"""Of CPU, so that a busy machine fails nothing."""
MAX_BYTES = 500_000_000


def judge(result: Result) -> str:
    """The outcome, or ``slow`` or ``large`` where a good one took too much."""
    if result.outcome in GOOD and result.bytes > MAX_BYTES:
        return "large"
    if result.outcome in GOOD and result.seconds > MAX_SECONDS:
        return "slow"
    return result.outcome

"""The quality of service that a bag notes a topic, which is YAML, judged before it is parsed."""

from __future__ import annotations

from om3d_core.errors import expect
from om3d_core.files import check_yaml, count_marks

MAX_QOS_MARKS = 20_000
"""Of all topics of a bag together: about 400 of them."""


class QosCheck:
    """Adds up the texts of one bag; the same text is counted each time that it is new."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._marks = 0

    def check(self, text: str) -> None:
        """Raise InputError for a text that would take long, alone or with those before."""
        if text in self._seen:
            return
        self._seen.add(text)
        expect(not set("&*") & set(text), "plain values", "an alias")
        check_yaml(text, MAX_QOS_MARKS)
        self._marks += count_marks(text)
        expect(
            self._marks <= MAX_QOS_MARKS, f"at most {MAX_QOS_MARKS} values", self._marks
        )

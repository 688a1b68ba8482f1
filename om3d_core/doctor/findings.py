"""What an examination says: findings, which are faults, and what else was measured."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace

_FLAG = re.compile(r"--([\w.]+) ([^-\s]\S*)")


@dataclass(frozen=True)
class Finding:
    """A fault of an input.

    kind: a few words to count and filter by, such as ``depth units``. said: what is wrong.
    evidence: the numbers that show it. cure: what to do, empty where none is known. flag: the
    flags of ``om3d run`` or the ROS parameters that do it, empty where there are none.
    """

    kind: str
    said: str
    evidence: str
    cure: str = ""
    flag: str = ""

    def __str__(self) -> str:
        cure = f"; cure: {self.cure}" if self.cure else ""
        flag = f" ({self.flag})" if self.flag else ""
        return f"{self.kind}: {self.said}: {self.evidence}{cure}{flag}"


    def for_node(self) -> Finding:
        """With the flag as the parameter of a node."""
        return replace(self, flag=_FLAG.sub(r"\1:=\2", self.flag).replace("--", ""))


@dataclass(frozen=True)
class Examination:
    """Findings, the worst first, and what was measured or could not be judged. assumed: how the
    input was taken where nothing bears it out, and the flag that takes it otherwise."""

    findings: tuple[Finding, ...] = ()
    told: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    def __add__(self, other: Examination) -> Examination:
        return Examination(
            self.findings + other.findings, self.told + other.told, self.assumed + other.assumed
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"findings": [asdict(f) for f in self.findings], "told": list(self.told),
                "assumed": list(self.assumed)}  # fmt: skip

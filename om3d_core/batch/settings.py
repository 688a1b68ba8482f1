"""How many scenes are worked on at a time, and where."""

from __future__ import annotations

from dataclasses import dataclass

from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class BatchSettings(Settings):
    """What several scenes are run with."""

    workers: int = setting(
        0, "scenes at a time; 0: one for each core, as far as memory_gb for each is free",
        low=0, high=10_000,
    )
    memory_gb: float = setting(
        2.0, "memory that a scene takes (GB); Ray is asked for so much", low=0.1, high=10_000.0
    )
    retries: int = setting(
        1, "how often a scene is begun anew whose process was killed", low=0, high=100
    )
    ray: str = setting(
        "", "address of the Ray cluster that runs the scenes (HOST:PORT, auto, or local, which"
        " starts one here); empty: processes of this machine"
    )

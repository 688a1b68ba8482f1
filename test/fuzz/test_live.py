"""A short run of each part of ``make fuzz`` that needs nodes; faults of nodes are seen."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from om3d.msg import Error
from om3d.srv import ClearMap, SaveMap

from fuzz.live import Came, Live, Wrong, code_of
from fuzz.messages import MessageFuzz
from fuzz.parameters import ParameterFuzz
from fuzz.part import Case, LivePart
from fuzz.requests import RequestFuzz
from fuzz.starts import StartFuzz
from fuzz.tally import Tally
from om3d_ros.replay.client import ReplayError
from om3d_ros.replay.processes import NodeDiedError

PARTS: dict[str, tuple[type[LivePart], int]] = {
    "messages": (MessageFuzz, 1), "requests": (RequestFuzz, 1), "parameters": (ParameterFuzz, 2),
}  # fmt: skip


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, ros_domain_id: int) -> Iterator[Live]:
    with closing(Live(tmp_path_factory.mktemp("live"), ros_domain_id)) as live:
        yield live


@pytest.mark.parametrize("name", PARTS)
def test_the_nodes_refuse_or_take_what_comes(live: Live, tmp_path: Path, name: str) -> None:
    tally, (part, rounds) = Tally(), PARTS[name]
    part(live, tmp_path).run(tally, seed=1, seconds=0, rounds=rounds)
    print(tally.figure(), file=sys.stderr)
    assert not tally.failures, tally.figure()
    assert tally.total > 20 * rounds and sum(c["refused"] for c in tally.counts.values()) > 5
    assert tally.counts[f"{name} after"]["ok"] == rounds


def test_nodes_start_or_say_why_not(tmp_path: Path, ros_domain_id: int) -> None:
    tally = Tally()
    starts = StartFuzz(tmp_path / "work", tmp_path / "kept", ros_domain_id)
    starts.run(tally, seed=1, seconds=0, starts=3)
    assert tally.total == 3 and not tally.failures, tally.figure()


def test_a_map_that_changed_and_a_node_that_is_gone_are_seen(live: Live) -> None:
    live.check_look()
    live.nodes.call(ClearMap, "mapper/clear")
    assert live.attempt(lambda: Came("ok", str(live.check_look()))).outcome == "changed"
    live.restore()
    live.check_look()
    live.nodes.processes.nodes[0].kill()
    assert live.attempt(lambda: Came("ok")).outcome == "crashed"
    live.close()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ReplayError("late"), "hung"), (NodeDiedError("gone"), "crashed"),
     (Wrong("slow", "took long"), "slow")],
)  # fmt: skip
def test_what_is_wrong_is_kept_with_its_inputs(
    tmp_path: Path, error: Exception, outcome: str
) -> None:
    def fail() -> Came:
        raise error

    class Failing(LivePart):
        name = "failing"

        def begin(self, number: int) -> None:
            pass

        def draw(self, rng: random.Random, number: int) -> list[Case]:
            return [Case("input", {"a.txt": b"content"}, fail)]

        def settle(self) -> Came:
            raise AssertionError("not reached")

    tally = Tally()
    Failing(Live(tmp_path / "work", 0), tmp_path / "kept").run(tally, seed=3, seconds=0, rounds=2)
    assert tally.counts == {"failing input": {outcome: 2}} and tally.failures == 2
    assert (tmp_path / "kept/failing-3-1/000-a.txt").read_bytes() == b"content"
    assert str(error) in (tmp_path / "kept/failing-3-1/error.txt").read_text()
    assert "failing-3-0" in tally.figure()


def test_errors_are_judged_by_their_code_and_their_text() -> None:
    assert code_of(SaveMap.Response()) == "NONE"
    assert code_of(SaveMap.Response(error_code=Error.IO, error_msg="no file")) == "IO"
    for code, text, outcome in (
        (Error.INTERNAL, "a fault", "untyped"), (77, "?", "untyped"), (Error.IO, "", "nameless"),
    ):  # fmt: skip
        with pytest.raises(Wrong) as caught:
            code_of(SaveMap.Response(error_code=code, error_msg=text))
        assert caught.value.outcome == outcome


@pytest.mark.parametrize("part", [MessageFuzz, RequestFuzz])
def test_the_same_seed_makes_the_same_inputs(tmp_path: Path, part: type[LivePart]) -> None:
    """By their sizes: what lies between the fields on the wire is not determined."""
    drawn = [
        [
            (case.kind, {name: len(data) for name, data in case.files.items()})
            for case in part(Live(tmp_path, 0), tmp_path).draw(random.Random(seed), 0)
        ]
        for seed in ("7", "7", "8")
    ]
    assert drawn[0] == drawn[1] != drawn[2]

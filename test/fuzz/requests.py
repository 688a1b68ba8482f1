"""The part of requests: every service of both nodes, and the action, asked oddly."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from om3d.srv import (
    ClearMap,
    GoalNear,
    ListInstances,
    LoadMap,
    QueryImage,
    QueryText,
    SaveMap,
)
from std_msgs.msg import Header

from fuzz.live import GOOD_MAP, Came, Live, Wrong, code_of
from fuzz.mutate import mutate
from fuzz.part import Case, LivePart
from fuzz.sensors import harm_image
from fuzz.values import STRINGS, changed
from om3d_ros.conversions.images import from_pixels

A_ROUND = 40
QUESTION_S = 1.0
WORDS = ("a red box", "table", "etwas Blaues", "the thing left of the table", "x " * 900)


class RequestFuzz(LivePart):
    """One request after another, and crowds of them; each is answered, and by a typed error."""

    name = "requests"

    def draw(self, rng: random.Random, number: int) -> Iterator[Case]:
        """Requests of all kinds."""
        for kind in rng.choices(list(KINDS), WEIGHTS, k=A_ROUND):
            yield self._case(kind, random.Random(rng.random()))

    def settle(self) -> Came:
        """The map as before, both nodes in time."""
        self.live.check_look()
        return self.live.pulse()

    def _case(self, kind: str, rng: random.Random) -> Case:
        make = KINDS[kind]
        state = rng.getstate()
        files = {f"{kind.replace(' ', '-')}.txt": f"{make(rng)!r}"[:100_000].encode()}

        def attempt() -> Came:
            rng.setstate(state)
            request = make(rng)
            came = (request.come(self.live) if isinstance(request, Crowd)
                    else self._one(kind, request))
            if kind in CHANGING and (came.code in {"", "NONE"}):
                self.live.restore()
            return came

        return Case(kind, files, attempt)

    def _one(self, kind: str, request: Any) -> Came:
        """The answer; a question that was late is asked again, for others may keep the machine."""
        came = asked(self.live, request)
        if came.seconds > QUESTION_S and kind in QUESTIONS:
            came = asked(self.live, request)
            if came.seconds > QUESTION_S:
                return Came("slow", came.code, came.seconds, f"{kind}: {came.seconds:.2f} s")
        return came


class Crowd:
    """Requests at once, and goals, some of which are canceled."""

    def __init__(self, rng: random.Random):
        self.requests = [KINDS[rng.choice(SINGLE)](rng) for _ in range(rng.choice((0, 3, 8)))]
        self.cancel = [rng.random() < 0.5 for _ in range(rng.choice((1, 2, 4)))]

    def __repr__(self) -> str:
        return f"{self.cancel} {self.requests}"

    def come(self, live: Live) -> Came:
        """All answers."""
        nodes, began = live.nodes, time.monotonic()
        goals = [nodes.send_refresh() for _ in self.cancel]
        answers = [ask(live, request) for request in self.requests]
        nodes.wait(lambda: all(goal.done() for goal in goals), "the goals to be accepted")
        for goal, cancel in zip(goals, self.cancel, strict=True):
            if cancel:
                goal.result().cancel_goal_async()
        codes = [code_of(nodes.refresh_result(goal)) for goal in goals]
        nodes.wait(lambda: all(answer.done() for answer in answers), "all answers")
        codes += [code_of(answer.result()) for answer in answers]
        return Came("ok", "", time.monotonic() - began)


def ask(live: Live, request: Any) -> Any:
    """The future of the answer to a request."""
    kind, service = SERVICES[type(request)]
    return live.nodes.client_of(kind, service).call_async(request)


def asked(live: Live, request: Any) -> Came:
    """What the answer to a request is."""
    began = time.monotonic()
    future = ask(live, request)
    live.nodes.wait(future.done, f"an answer to {type(request).__name__}")
    took = time.monotonic() - began
    response = future.result()
    code = code_of(response)
    _check_answer(request, response, code)
    _check_place(live, response, code)
    return Came("ok" if code == "NONE" else "refused", code, took)


def _check_answer(request: Any, response: Any, code: str) -> None:
    """An answer has its numbers right, an error has no answer."""
    if not isinstance(request, (QueryText.Request, QueryImage.Request)):
        return
    if code != "NONE":
        if response.matches or response.markers.markers:
            raise Wrong("untyped", f"{code} with an answer")
        return
    numbers = [(m.similarity, m.score, m.probability) for m in response.matches]
    ranks = [m.rank for m in response.matches]
    if not np.isfinite(numbers).all() or ranks != list(range(1, len(ranks) + 1)):
        raise Wrong("untyped", f"matches {numbers} of ranks {ranks}")
    if request.top_k and len(ranks) > request.top_k:
        raise Wrong("untyped", f"{len(ranks)} matches for top_k {request.top_k}")


def _check_place(live: Live, response: Any, code: str) -> None:
    """A map is saved below the parameter ``map_root``."""
    if isinstance(response, SaveMap.Response) and code == "NONE":
        path = Path(response.path).resolve()
        if not path.is_relative_to(live.map_root.resolve()):
            raise Wrong("changed", f"saved as {path}")


def _text(rng: random.Random) -> Any:
    request = QueryText.Request(text=rng.choice((*STRINGS, *WORDS)))
    return changed(rng, request, rng.choice((0, 1, 3)))


def _picture(rng: random.Random) -> Any:
    request, pixels = QueryImage.Request(), np.zeros((24, 32, 3), np.uint8)
    pixels[4:20, 4:28] = list(rng.randbytes(3))
    if rng.random() < 0.5:
        request.image = harm_image(rng, from_pixels(pixels, "rgb8", Header()))
    else:
        suffix = rng.choice((".png", ".jpg", ".webp", ".tiff", ".bmp"))
        data = bytes(cv2.imencode(suffix, pixels)[1])
        data = mutate(rng, data, f"p{suffix}", data) if rng.random() < 0.8 else data
        request.compressed.format = rng.choice(("", "jpeg", "png", suffix, *STRINGS))
        request.compressed.data = array("B", data)
    return changed(rng, request, rng.choice((0, 0, 1)))


def _goal(rng: random.Random) -> Any:
    request = GoalNear.Request()
    if rng.random() < 0.5:
        request.text = rng.choice((*STRINGS, *WORDS))
    else:
        request.instance_id = rng.choice((0, 1, 2, 2**32 - 1))
    return changed(rng, request, rng.choice((0, 1, 3)))


def _named(kind: Any) -> Callable[[random.Random], Any]:
    """A save or load; one may not overwrite the good map."""
    return lambda rng: kind.Request(name=rng.choice((*STRINGS, "a", "a/b", f"../maps/{GOOD_MAP}")))


KINDS: dict[str, Callable[[random.Random], Any]] = {
    "text": _text,
    "picture": _picture,
    "list": lambda rng: changed(rng, ListInstances.Request(), 3),
    "goal": _goal,
    "save": _named(SaveMap),
    "load": _named(LoadMap),
    "clear": lambda rng: ClearMap.Request(),
    "crowd": Crowd,
}
WEIGHTS = (5, 5, 2, 3, 3, 3, 1, 3)
CHANGING = ("load", "clear", "crowd")
QUESTIONS = ("text", "picture", "list", "goal")
SINGLE = (*QUESTIONS, "save", "load", "clear")
SERVICES: dict[type[Any], tuple[Any, str]] = {
    QueryText.Request: (QueryText, "query/query_text"),
    QueryImage.Request: (QueryImage, "query/query_image"),
    ListInstances.Request: (ListInstances, "query/list_instances"),
    GoalNear.Request: (GoalNear, "query/goal_near"),
    SaveMap.Request: (SaveMap, "mapper/save"),
    LoadMap.Request: (LoadMap, "mapper/load"),
    ClearMap.Request: (ClearMap, "mapper/clear"),
}

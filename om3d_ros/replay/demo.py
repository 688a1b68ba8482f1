"""The whole system in one go: a scene, recorded as a bag, replayed through the nodes, asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame
from om3d_core.data.poses import inverse
from om3d_core.evaluation.ground_truth import GroundTruth
from om3d_core.evaluation.query_file import LabeledQuery, read_queries, truth_of
from om3d_core.evaluation.query_hits import QueryResult, evaluate_queries
from om3d_core.pictures import render_instances, save_png
from om3d_core.progress import Job, Report, silent
from om3d_core.sources.bag.writer import write_bag
from om3d_core.sources.base import Source
from om3d_core.sources.open import open_source
from om3d_core.synthetic import SynthSettings, synthesize
from om3d_ros.replay import Replayed, replay
from om3d_ros.replay.answers import Reply

MAX_PRESENT, MIN_QUESTIONS = 7, 6
MORE_QUESTIONS = ("a chair", "a cup", "a book", "something to eat", "something to sit on")
ANSWERS_A_QUESTION = 5
PICTURE_NAME = "picture"
MAX_PICTURE_EXTENT_M = 0.6
DEPTH_TOLERANCE_M = 0.05
CROP_MARGIN = 1.1
MIN_CROP_PX = 24


@dataclass(frozen=True, eq=False)
class Question:
    """A question and, where it is known, what answers it; picture: file to ask by instead."""

    text: str
    truth: LabeledQuery | None = None
    picture: Path | None = None


@dataclass(frozen=True, eq=False)
class Verdict:
    """A question with the reply and the judgment, None where the truth is not known."""

    question: Question
    reply: Reply
    result: QueryResult | None


@dataclass(frozen=True, eq=False)
class Demo:
    """What a demo did."""

    replayed: Replayed
    verdicts: tuple[Verdict, ...]


def run_demo(out: Path, scene: Path | None, seed: int, report: Report = silent) -> Demo:
    """Render a room (or take the folder or bag ``scene``), map it live, ask, and judge.

    Everything is left in ``out``: the scene, the bag, logs, answers and pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in (*out.glob("[0-9][0-9]-*"), out / "recording.mcap"):
        old.unlink(missing_ok=True)
    if scene is None:
        scene = out / f"scene-{seed}"
        if not scene.exists():
            synthesize(scene, SynthSettings(seed=seed), report)
    source = open_source(scene)
    known = labeled_queries(scene)
    truth = truth_of(known, scene)
    questions = choose_questions(source, known, out)
    bag = out / "recording.mcap"
    write_bag(source, bag, job=Job(report))
    replayed = replay(
        bag,
        out,
        queries=[q.text for q in questions if q.picture is None],
        image_queries=[q.picture for q in questions if q.picture is not None],
        top_k=ANSWERS_A_QUESTION,
        report=report,
    )
    save_png(out / "map.png", render_instances(replayed.scene, title="the map"))
    save_png(out / "named.png", render_instances(replayed.scene, title="the map", named=True))
    return Demo(replayed, judge(questions, replayed, truth))


def labeled_queries(scene: Path) -> tuple[LabeledQuery, ...]:
    """The queries of the scene's file ``queries*.json``, none without such a file."""
    files = sorted(scene.glob("queries*.json")) if scene.is_dir() else []
    return read_queries(files[0]) if files else ()


def choose_questions(
    source: Source, known: Sequence[LabeledQuery], out: Path
) -> list[Question]:
    """At least six: known ones, among them one for an absent thing and one by picture."""
    present = [query for query in known if not query.absent]
    absent = [query for query in known if query.absent]
    count = min(MAX_PRESENT, len(present))
    spread = np.unique(np.linspace(0, len(present) - 1, count).astype(int))
    questions = [Question(present[i].text, present[i]) for i in spread]
    questions += [Question(query.text, query) for query in absent[:1]]
    asked = {question.text for question in questions}
    more = [Question(text) for text in MORE_QUESTIONS if text not in asked]
    picture = take_picture(source, present, out / f"{PICTURE_NAME}.png")
    wanted = MIN_QUESTIONS - (picture is not None)
    questions += more[: max(0, wanted - len(questions))]
    return questions + ([picture] if picture is not None else [])


def take_picture(source: Source, present: Sequence[LabeledQuery], path: Path) -> Question | None:
    """Cut the largest sight of a small known thing out of a frame, to ask by that picture.

    None where no known thing is small and in sight.
    """
    best: tuple[int, npt.NDArray[np.uint8], LabeledQuery] | None = None
    small = [query for query in present if _extent_m(query) <= MAX_PICTURE_EXTENT_M]
    for frame in source if small else ():
        for query in small:
            for crop in _sights(frame, query):
                if best is None or crop.size > best[0]:
                    best = crop.size, crop.copy(), query
    if best is None:
        return None
    save_png(path, best[1])
    return Question(f"{path.name} ({best[2].text})", best[2], path)


def judge(
    questions: Sequence[Question], replayed: Replayed, truth: GroundTruth | None
) -> tuple[Verdict, ...]:
    """Right or wrong for each question whose truth is known and whose answer is no error."""
    texts = [question for question in questions if question.picture is None]
    pictures = [question for question in questions if question.picture is not None]
    pairs = list(zip([*texts, *pictures], replayed.replies, strict=True))
    asked = {
        i: (question.truth, reply.answer)
        for i, (question, reply) in enumerate(pairs)
        if question.truth is not None and reply.answer is not None
    }
    results: dict[int, QueryResult] = {}
    if asked:
        answers = iter([answer for _, answer in asked.values()])
        quality = evaluate_queries(
            lambda _: next(answers), replayed.scene, [known for known, _ in asked.values()], truth
        )
        results = dict(zip(asked, quality.results, strict=True))
    return tuple(Verdict(*pair, results.get(i)) for i, pair in enumerate(pairs))


def _extent_m(query: LabeledQuery) -> float:
    """About the longest side of the thing: query files allow twice that and a little."""
    return query.max_extent_m / 2


def _sights(frame: Frame, query: LabeledQuery) -> Iterator[npt.NDArray[np.uint8]]:
    """The crops around the query's positions that are seen whole and unoccluded in a frame."""
    k = frame.intrinsics
    camera_from_map = inverse(frame.map_from_camera)
    for position in query.positions:
        x, y, z = camera_from_map[:3, :3] @ position + camera_from_map[:3, 3]
        if z <= 0.1:
            continue
        u, v = round(k.fx * x / z + k.cx), round(k.fy * y / z + k.cy)
        half = round(0.5 * CROP_MARGIN * _extent_m(query) * k.fx / z)
        inside = half <= u < k.width - half and half <= v < k.height - half
        if inside and 2 * half >= MIN_CROP_PX:
            depth = float(frame.depth[v, u])
            if abs(depth - z) <= DEPTH_TOLERANCE_M:
                yield frame.rgb[v - half : v + half, u - half : u + half]


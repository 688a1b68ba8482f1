"""Answers about a scene, made by hand."""

from __future__ import annotations

from om3d_core.data.boxes import fit_box
from om3d_core.query.answer import Answer, Match, ViewSimilarity


def make_match(scene, row, rank=1, present=True, views=None, **fields):
    """A match of the instance in a row of the scene; views: similarities by stamp_ns."""
    members = scene.masks[row]
    values = {
        "instance_id": int(scene.ids[row]), "index": row, "rank": rank,
        "similarity": 1 - 0.1 * (rank - 1), "score": 3.0 - rank, "probability": 0.8,
        "present": present, "box": fit_box(scene.cloud.points[members], scene.up),
        "centroid": scene.cloud.points[members].mean(axis=0).astype(float),
        "n_points": len(members), "label": scene.labels[row],
        "label_probability": float(scene.label_probabilities[row]),
        "view_similarities": tuple(ViewSimilarity(*view) for view in (views or {}).items()),
    }
    return Match(**{**values, **fields})


def make_answer(scene, *rows, query="a thing", present=True, views=None):
    """An answer that ranks these rows; views: those of the first match."""
    matches = tuple(
        make_match(scene, row, rank, present, views if rank == 1 else None)
        for rank, row in enumerate(rows, 1)
    )
    return Answer("text", query, "toy@1", matches, bool(matches) and present, scene.revision)

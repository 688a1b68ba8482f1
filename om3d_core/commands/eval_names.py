"""``om3d eval-names MAP GT [MAP GT ...]``: how often the names of instances are right."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from om3d_core.commands.console import add_setting_flags, settings_from
from om3d_core.data.feature_space import space_for
from om3d_core.data.scene_store import load_scene
from om3d_core.encoders.base import Encoder
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import UnsupportedQueryError
from om3d_core.evaluation.ground_truth import read_ground_truth
from om3d_core.evaluation.name_accuracy import Fit, accuracy_of, allowed_names, fit
from om3d_core.mapping.name_evidence import Vocabulary, decoded_background, encoded_background
from om3d_core.mapping.names import printed_words
from om3d_core.mapping.vocabulary import NameSettings, read_vocabulary
from om3d_core.query.aggregation import mean_features
from om3d_core.query.encoder import encoder_of
from om3d_core.query.seen_as import taken_for
from om3d_core.query.usual_size import longest_sides_m


def main(argv: Sequence[str]) -> int:
    """Score the names of saved maps, or with --fit print the numbers that suit them best."""
    parser = _parser()
    args = parser.parse_args(argv)
    if len(args.pairs) % 2:
        parser.error("expected a map and the scene folder of its ground truth, one or more times")
    pairs = list(zip(args.pairs[::2], args.pairs[1::2], strict=True))
    if args.fit:
        space, found = _fit(pairs, settings_from(args, EncoderSettings))
        print(json.dumps({space: asdict(found.numbers)}, indent=2))
        return 0
    labels, allowed = [], []
    for folder, truth in pairs:
        scene = load_scene(folder)
        solid = (~scene.masks.structure).tolist()
        rights = allowed_names(scene, read_ground_truth(truth))
        labels += [label for label, own in zip(scene.labels, solid, strict=True) if own]
        allowed += [right for right, own in zip(rights, solid, strict=True) if own]
    accuracy = accuracy_of(labels, allowed)
    if args.json:
        print(json.dumps(accuracy.to_json()))
    else:
        print(
            f"{accuracy.named} named, {accuracy.right} of them rightly ({accuracy.precision:.2f});"
            f" {accuracy.objects} objects, {accuracy.recall:.2f} of them named rightly"
        )
    return 0


def _fit(pairs: Sequence[tuple[Path, Path]], encoders: EncoderSettings) -> tuple[str, Fit]:
    features, sides, scores, words, taken, allowed = [], [], [], [], [], []
    encoder: Encoder | None = None
    space = ""
    for folder, truth in pairs:
        scene = load_scene(folder)
        if encoder is None:
            encoder = encoder_of(scene, encoders)
            own = space_for(encoder.spaces, image=False)
            assert own is not None  # encoder_of found it
            space = own.name
        table = next((table for table in scene.features if table.space.name == space), None)
        if table is None:
            raise UnsupportedQueryError(f"{folder}: expected features in {space}, got others")
        used = np.flatnonzero(table.valid.any(axis=1) & ~scene.masks.structure)
        rights = allowed_names(scene, read_ground_truth(truth))
        features.append(mean_features(table)[used])
        sides.append(longest_sides_m(scene.cloud, scene.masks, scene.up)[used])
        scores.append(scene.masks.scores[used])
        words += printed_words(scene.words, used)
        classes = taken_for(scene.detections, scene.views)
        taken += [classes[i] for i in used.tolist()]
        allowed += [rights[i] for i in used.tolist()]
    assert encoder is not None  # argparse asks for one pair at least
    background = encoded_background(np.concatenate(features))
    known = Vocabulary(read_vocabulary(NameSettings()), encoder, space,
                       decoded_background(background))  # fmt: skip
    evidence = known.evidence(np.concatenate(features), np.concatenate(sides), words, taken)
    return space, fit(evidence, known.names, allowed, np.concatenate(scores), background)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("om3d eval-names", description=__doc__)
    parser.add_argument(
        "pairs", type=Path, nargs="+", metavar="MAP GT",
        help="a map folder and the scene folder of om3d synth that it was made from",
    )
    parser.add_argument(
        "--fit", action="store_true",
        help="print the entry of names.json that suits these maps best, whatever their names",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting_flags(parser, EncoderSettings)
    return parser

"""The figures of a comparison, as summary.json has them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import numpy as np

from lakewinnow.checks.drift import (
    ClassChange,
    Compared,
    DriftTest,
    EmbeddingDriftFigures,
    LabelDriftFigures,
    NoiseDriftFigures,
    TextDriftFigures,
)
from lakewinnow.checks.drift.sides import Pair
from lakewinnow.core.drift import verdict
from lakewinnow.core.drift.comparison import ComparedRows, DriftComparison
from lakewinnow.core.types import FloatArray

_MOST_CLASSES: Final = 100  # in the figures, those that have changed most


def comparisons(
    pairs: Sequence[Pair],
    sides: Sequence[tuple[ComparedRows, ComparedRows]],
    found: Sequence[DriftComparison],
    rate: float,
    classes: Sequence[str],
    noise_classes: Sequence[str],
) -> list[Compared]:
    """Judge all tests of all comparisons together, and return what each comparison came to."""
    tests = [one.tests() for one in found]
    adjusted = iter(verdict.holm([test.p for of_pair in tests for test in of_pair]).tolist())
    compared = []
    for pair, (new, reference), one, of_pair in zip(pairs, sides, found, tests, strict=True):
        judged = [
            DriftTest(
                **asdict(test),
                adjusted_p=(p := next(adjusted)),
                least_effect=verdict.LEAST_EFFECT[test.kind],
                is_drift=verdict.is_drift(test, p, rate),
            )
            for test in of_pair
        ]
        drifted = {of.kind for of in judged if of.is_drift}
        compared.append(
            Compared(
                of=pair.name,
                against=pair.against,
                rows=new.n_rows,
                reference_rows=reference.n_rows,
                detected=bool(drifted),
                tests=judged,
                labels=_labels(one, drifted, rate, classes),
                texts={
                    name: TextDriftFigures(
                        median=text.medians[0],
                        reference_median=text.medians[1],
                        distance=text.distance,
                    )
                    for name, text in one.texts.items()
                }
                or None,
                embeddings=_embeddings(one),
                noise=_noise(one, drifted, rate, noise_classes),
            )
        )
    return compared


def _labels(
    one: DriftComparison, drifted: set[str], rate: float, classes: Sequence[str]
) -> LabelDriftFigures:
    shares = one.classes
    changed = (
        verdict.changed_classes(shares.new, shares.reference, shares.p, rate)
        if verdict.LABELS in drifted
        else np.zeros(0, np.int64)
    )
    return LabelDriftFigures(
        psi=one.psi,
        **asdict(one.labels),
        changed={
            classes[i]: ClassChange(
                share=float(shares.new[i]), reference_share=float(shares.reference[i])
            )
            for i in changed[:_MOST_CLASSES].tolist()
        },
    )


def _embeddings(one: DriftComparison) -> EmbeddingDriftFigures | None:
    if one.vectors is None:
        return None
    classifier = one.vectors.classifier
    return EmbeddingDriftFigures(
        texts=one.vectors.n_texts,
        auc=classifier.auc,
        auc_low=classifier.low,
        auc_high=classifier.high,
        distance=one.vectors.distance.distance,
    )


def _noise(
    one: DriftComparison, drifted: set[str], rate: float, classes: Sequence[str]
) -> NoiseDriftFigures | None:
    if one.noise is None:
        return None
    return NoiseDriftFigures(
        distance=one.noise.distance,
        **asdict(one.noise.test),
        changed=_changed_noise(one.noise.distances, one.noise.p, rate, classes)
        if verdict.NOISE in drifted
        else {},
    )


def _changed_noise(
    distances: FloatArray, p: FloatArray, rate: float, classes: Sequence[str]
) -> dict[str, float]:
    held = (verdict.holm(p) <= rate) & (distances >= verdict.LEAST_EFFECT[verdict.NOISE])
    most_first = np.argsort(-distances, kind="stable")
    return {classes[i]: float(distances[i]) for i in most_first if held[i]}

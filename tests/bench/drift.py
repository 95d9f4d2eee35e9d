"""How often drift is found where there is none, and where there is.

    .venv/bin/python tests/bench/drift.py ../shared/data/banking77/train.csv:text:category

Rows are split by chance into two halves, and one of them is changed, or not: a tenth or so of the
classes removed; labels of it wrong; or typing errors in it, as of one source of several. What is
then compared, and how it is judged, is what the stage compares, without Spark.
"""

import argparse
import sys
import time
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from lakewinnow.checks.drift.sides import numbers
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.core.drift import verdict
from lakewinnow.core.drift.comparison import ComparedRows, DriftComparison, Vectors
from lakewinnow.core.drift.domain import classify
from lakewinnow.core.drift.energy import energy_distance
from lakewinnow.core.drift.histograms import N_BINS, bins
from lakewinnow.core.drift.joints import joints
from lakewinnow.core.logistic import crossval
from lakewinnow.core.noise.confident_learning import JointState, ThresholdState
from lakewinnow.embedding import registry

RATE = 0.05
N_DISTANCE = 1000
N_PERMUTATIONS = 999


class Corpus:
    """Texts, labels, their vectors, and probabilities of one cross-validation over all."""

    def __init__(self, path, text, label):
        rows = pd.read_csv(path).drop_duplicates(text)
        self.texts = rows[text].tolist()
        self.labels, classes = pd.factorize(rows[label], sort=True)
        self.n_classes = len(classes)
        self.embedder = registry.load(EmbeddingConfig())
        self.vectors = self.embed(self.texts)
        folds = np.random.default_rng(0).permutation(len(rows)) % 5
        self.probs = crossval.cross_val_predict(
            self.vectors, self.labels, folds, self.n_classes, C=10.0
        ).pred_probs.astype(np.float64)
        state = ThresholdState.zero(self.n_classes).update(self.labels, self.probs)
        self.thresholds = state.thresholds()

    def embed(self, texts):
        """Return unit vectors."""
        return np.asarray(self.embedder.embed(texts), np.float32)

    def joint(self, rows, labels):
        """Return the confident joint of some rows, as counted."""
        state = JointState.zero(self.n_classes)
        return state.update(labels, self.probs[rows], self.thresholds).counts.T


def side(corpus, texts, labels):
    """Count one side."""
    found = numbers(pa.array(texts, pa.string()))
    histograms = {
        name: np.bincount(bins(name, values), minlength=N_BINS[name])
        for name, values in found.items()
    }
    counts = np.bincount(labels, minlength=corpus.n_classes)
    return ComparedRows(counts, len(texts), len(texts), histograms)


def compare(corpus, new, reference, max_texts, *, seed, texts=None, labels=None, own=False):
    """Compare some rows, changed perhaps, with others; `texts` and `labels` are the new rows'.

    With `own`, label noise is judged by models of a sample of both, as that of two runs is.
    """
    rng = np.random.default_rng(seed)
    new_texts = [corpus.texts[i] for i in new] if texts is None else texts
    new_labels = corpus.labels[new] if labels is None else labels
    new_vectors = corpus.vectors[new] if texts is None else corpus.embed(texts)
    n = min(len(new), len(reference), max_texts)
    vectors = np.concatenate([new_vectors[:n], corpus.vectors[reference[:n]]])
    is_new = np.arange(2 * n) < n
    chances = rng.integers(2**40, size=2 * n)
    some = np.concatenate([np.arange(min(n, N_DISTANCE)), n + np.arange(min(n, N_DISTANCE))])
    found = Vectors(
        n,
        classify(vectors, is_new, chances)[0],
        energy_distance(vectors[some], is_new[some], N_PERMUTATIONS),
    )
    return DriftComparison.of(
        side(corpus, new_texts, new_labels),
        side(corpus, [corpus.texts[i] for i in reference], corpus.labels[reference]),
        found,
        joints(
            vectors,
            np.concatenate([new_labels[:n], corpus.labels[reference[:n]]]),
            is_new,
            chances,
            corpus.n_classes,
        )
        if own
        else (corpus.joint(new, new_labels), corpus.joint(reference, corpus.labels[reference])),
    )


def halves(corpus, rng):
    """Split the rows by chance."""
    order = rng.permutation(len(corpus.texts))
    return np.array_split(order, 2)


def unchanged(corpus, rng):
    """Two halves as they are."""
    return (*halves(corpus, rng), {})


def of_two_runs(corpus, rng):
    """Two halves as they are, compared as two runs are."""
    return (*halves(corpus, rng), {"own": True})


def of_unequal_runs(corpus, rng):
    """A tenth of the rows and the others, compared as two runs are."""
    order = rng.permutation(len(corpus.texts))
    new, reference = np.split(order, [len(order) // 10])
    return new, reference, {"own": True}


def without_classes(corpus, rng, n_removed=10):
    """Some classes are not in the new half."""
    new, reference = halves(corpus, rng)
    removed = rng.permutation(corpus.n_classes)[:n_removed]
    return new[~np.isin(corpus.labels[new], removed)], reference, {}


def with_typos(corpus, rng, share, of_rows=1.0):
    """A share of the words of the new half, or of some of its rows, have a typing error."""
    new, reference = halves(corpus, rng)
    texts = [
        misspelt(corpus.texts[i], share, rng) if rng.random() < of_rows else corpus.texts[i]
        for i in new
    ]
    return new, reference, {"texts": texts}


def with_wrong_labels(corpus, rng, share, **how):
    """A share of the new half's labels are another class."""
    new, reference = halves(corpus, rng)
    labels = corpus.labels[new].copy()
    wrong = rng.random(len(new)) < share
    labels[wrong] = (
        labels[wrong] + rng.integers(1, corpus.n_classes, wrong.sum())
    ) % corpus.n_classes
    return new, reference, {"labels": labels, **how}


def misspelt(text, share, rng):
    """Swap, drop or double a letter in some of the words."""
    words = text.split(" ")
    for at, word in enumerate(words):
        if len(word) > 3 and rng.random() < share:
            i, how = int(rng.integers(1, len(word) - 1)), int(rng.integers(3))
            swapped = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
            words[at] = (swapped, word[:i] + word[i + 1 :], word[:i] + word[i] + word[i:])[how]
    return " ".join(words)


SCENARIOS = {
    "none": unchanged,
    "none, two runs": of_two_runs,
    "none, a tenth of the rows, two runs": of_unequal_runs,
    "10 classes removed": without_classes,
    "typos in 10% of the words": partial(with_typos, share=0.1),
    "typos in 20% of the words": partial(with_typos, share=0.2),
    "… of a third of the rows": partial(with_typos, share=0.2, of_rows=1 / 3),
    "10% of the labels wrong": partial(with_wrong_labels, share=0.1),
    "10% of the labels wrong, two runs": partial(with_wrong_labels, share=0.1, own=True),
}


def main() -> None:
    """Split, compare and judge; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="CSV:TEXT:LABEL")
    parser.add_argument("--splits", type=int, default=100)
    parser.add_argument("--changed", type=int, default=40, help="splits of each change")
    parser.add_argument("--only", help="the change to make; by default all")
    parser.add_argument("--max-texts", type=int, default=5000)
    options = parser.parse_args()
    corpus = Corpus(*options.table.split(":"))
    print("| change | splits | drift found | a p below | by | median AUC, distance | s a split |")
    print("|---|---|---|---|---|---|---|")
    for name, change in SCENARIOS.items():
        if options.only not in (None, name):
            continue
        n = options.splits if name == "none" else options.changed
        n_found, n_significant, by, effects = 0, 0, Counter(), []
        started = time.monotonic()
        for seed in range(n):
            new, reference, changed = change(corpus, np.random.default_rng(seed))
            found = compare(corpus, new, reference, options.max_texts, seed=seed, **changed)
            tests = found.tests()
            adjusted = verdict.holm([test.p for test in tests])
            held = [t for t, p in zip(tests, adjusted, strict=True) if verdict.is_drift(t, p, RATE)]
            significant = [t.name for t, p in zip(tests, adjusted, strict=True) if p <= RATE]
            n_found += bool(held)
            n_significant += bool(significant)
            by.update(t.name for t in held)
            by.update(f"p {name}" for name in significant)
            effects.append(
                [t.effect for t in tests if t.kind in ("classifier", "distance", "noise")]
            )
            print(".", end="", file=sys.stderr, flush=True)
        shown = ", ".join(f"{key} {count}" for key, count in by.most_common())
        medians = " ".join(f"{x:.4f}" for x in np.median(effects, axis=0))
        seconds = (time.monotonic() - started) / n
        cells = (name, n, n_found, n_significant, shown, medians, f"{seconds:.1f}")
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()

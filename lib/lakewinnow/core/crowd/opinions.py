"""One posterior of all that is said of a row: its text, the given label, and further opinions.

    q[i, k]  ∝  P(k | text_i, given_i) · Π_a confusion_a[opinion_ia, k]

An opinion is the label that an annotator says a row has: a person, a labelling function, a language
model. How often an annotator is right is not known, nor which class a row is of: each is told from
the other, in turns (Dawid & Skene 1979), with what the classifier says of each row (Raykar et al.
2010). Confusions are those of `confusion`, which cannot lay to the annotators what the labels are
to blame for.

Of text and given label there are two posteriors (`core.noise.posterior`): one changes few labels,
the other doubts more than it should. Opinions tell how far each is right, by how often it foretells
them, and P is the mixture. That the rows were chosen by text and label makes no difference to it.
What opinions cannot tell is who errs more, whoever gave the labels or whoever contradicts them: the
given labels are believed to be as often right as the opinions, or as confident learning says if
that is more. So where one opinion contradicts a label, the text decides.

A function is asked about every row, so where it says nothing, that says something too. Of others it
is chance, or our choice, which rows they have an opinion on. And a function sees the text alone, as
the classifier does, which foretells it whether it is right or not: so functions have no say in how
far the posteriors are right, and the text none in how far functions are.

`fit` works on a sample of the rows, in one task; the model then travels to where the rows are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np

from lakewinnow.core.crowd.confusion import FUNCTION, Habits
from lakewinnow.core.intervals import wilson
from lakewinnow.core.noise.posterior import Posterior, Suggestions
from lakewinnow.core.types import BoolArray, FloatArray, IntArray

_ROWS: Final = 1.0  # believed beforehand to be of each of the two posteriors
_MOST_STEPS: Final = 100
_ENOUGH: Final = 1e-3  # the largest change of a probability that ends the search
_INTERVAL: Final = 1.96  # standard errors
_LEAST: Final = 1e-9  # share of wrong labels, to divide by
_FURTHEST: Final = -600.0  # logarithm of a likelihood
_CELLS: Final = 2**20  # numbers at once


@dataclass(frozen=True, eq=False)
class Opinions:
    """Opinions on the rows of a block, sorted by row, then annotator; made by `of`."""

    # int64, shape (n,), an opinion each
    row: IntArray  # position in the block
    annotator: IntArray  # 0 .. A-1
    label: IntArray

    @classmethod
    def of(cls, row: IntArray, annotator: IntArray, label: IntArray) -> Self:
        """Sort opinions, of which none two are of the same row and annotator."""
        order = np.lexsort((annotator, row))
        return cls(row[order], annotator[order], label[order])

    def __len__(self) -> int:
        return len(self.row)

    def of_rows(self, start: int, end: int) -> Self:
        """Return the opinions on the rows ``start .. end - 1``, as on a block of their own."""
        first, last = np.searchsorted(self.row, [start, end])
        part = slice(first, last)
        return type(self)(self.row[part] - start, self.annotator[part], self.label[part])

    def most_said(self, likeliest: IntArray) -> tuple[IntArray, IntArray]:
        """Return the label that most opinions on a row are for, and how many; 0 of a row without.

        Parameters
        ----------
        likeliest : int64, shape (n,), the label of each row that comes first among equals
        """
        pairs, n = np.unique([self.row, self.label], axis=1, return_counts=True)
        row, label = pairs
        order = np.lexsort((label, label != likeliest[row], -n, row))
        rows, first = np.unique(row[order], return_index=True)
        labels, counts = np.zeros_like(likeliest), np.zeros_like(likeliest)
        labels[rows], counts[rows] = label[order][first], n[order][first]
        return labels, counts


NONE: Final = Opinions(*[np.zeros(0, np.int64)] * 3)


class Quality(NamedTuple):
    """How often annotators are right where they have an opinion; float64, shape (A,)."""

    share: FloatArray
    # bounds of a 95% interval
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, eq=False)
class OpinionModel:
    """What the opinions on a corpus say of its annotators and of its given labels."""

    # of text and given label, and the share of rows that the second is right about
    posterior: Posterior
    doubting: Posterior
    doubt: float
    annotators: tuple[str, ...]  # A names
    kinds: tuple[str, ...]  # of each
    # float64, shape (A, K, K), P(opinion = row | true = column); columns sum to 1, a function's to
    # the share of the class's rows that it has an opinion on
    confusion: FloatArray
    counts: IntArray  # int64, shape (A,), opinions

    @classmethod
    def fit(
        cls,
        labels: IntArray,
        pred_probs: FloatArray,
        opinions: Opinions,
        annotators: Sequence[str],
        kinds: Sequence[str],
        posterior: Posterior,
        doubting: Posterior,
    ) -> Self:
        """Return the likeliest model, what is believed beforehand included.

        Parameters
        ----------
        labels : int64, shape (n,), given labels
        pred_probs : float64, shape (n, K), out of sample
        opinions : on some of these rows
        annotators : A names
        kinds : of each of them, in any words; a `FUNCTION` is asked about every row
        posterior, doubting : of text and given label; `Posterior.of`, `Posterior.doubting`
        """
        n_annotators, n_classes = len(annotators), posterior.n_classes
        shares = doubting.weights.sum(axis=0) / doubting.weights.sum()
        counts = np.bincount(opinions.annotator, minlength=n_annotators)
        habits = Habits.beforehand(n_annotators, shares)
        said = np.zeros((n_annotators, n_classes, n_classes))
        by_habit = habits.confusion(said, kinds, np.zeros(n_classes))
        names = (tuple(annotators), tuple(kinds))
        model = cls(posterior, doubting, 0.0, *names, by_habit, counts)
        if not len(opinions):
            return model
        if FUNCTION not in kinds:
            heard, row = np.unique(opinions.row, return_inverse=True)
            labels, pred_probs = labels[heard], pred_probs[heard]
            opinions = replace(opinions, row=row)
        is_function = np.array([kind == FUNCTION for kind in kinds])
        is_heard = model.is_heard(opinions, len(labels))
        first = before = posterior.probs(labels, pred_probs)
        says = opinions.annotator * n_classes + opinions.label
        doubt = 0.5 if is_heard.any() else 0.0
        for _ in range(_MOST_STEPS):
            second = model.doubting.probs(labels, pred_probs)
            likelihoods = model._likelihoods(opinions, len(labels))
            parts = np.stack([(1 - doubt) * first, doubt * second]) * likelihoods
            probs = parts.sum(axis=0)
            total = probs.sum(axis=1)
            doubted = (parts[1].sum(axis=1) / total)[is_heard]
            probs /= total[:, np.newaxis]
            said = _sums(said.size // n_classes, says, probs[opinions.row]).reshape(said.shape)
            if is_function.any():
                unread = model._by_label(labels) * likelihoods
                unread /= unread.sum(axis=1, keepdims=True)
                of_all = _sums(said.size // n_classes, says, unread[opinions.row])
                said[is_function] = of_all.reshape(said.shape)[is_function]
            habits = habits.estimated(said, kinds, shares)
            by_habit = habits.confusion(said, kinds, probs.sum(axis=0))
            model = replace(model, confusion=by_habit)
            if is_heard.any():
                doubt = float((doubted.sum() + _ROWS) / (len(doubted) + 2 * _ROWS))
                weights = np.where(is_function, 0, counts)
                right = float(np.average(model.quality().share, weights=weights))
                model = replace(model, doubt=doubt, doubting=_at_least(doubting, right))
            if np.abs(probs - before).max() < _ENOUGH:
                break
            before = probs
        return model

    @classmethod
    def without_opinions(cls, posterior: Posterior) -> Self:
        """Return the model of no annotators."""
        n_classes, nobody = posterior.n_classes, np.zeros(0, np.int64)
        says = np.zeros((0, n_classes, n_classes))
        return cls(posterior, posterior, 0.0, (), (), says, nobody)

    def is_heard(self, opinions: Opinions, n_rows: int) -> BoolArray:
        """Return which rows others than functions have an opinion on, shape (n,)."""
        by_others = np.array([kind != FUNCTION for kind in self.kinds], bool)[opinions.annotator]
        return np.bincount(opinions.row[by_others], minlength=n_rows) > 0

    @property
    def has_others(self) -> bool:
        """Whether there are others than functions."""
        return any(kind != FUNCTION for kind in self.kinds)

    def probs(self, labels: IntArray, pred_probs: FloatArray, opinions: Opinions) -> FloatArray:
        """Return q, float64, shape (n, K), rows sum to 1.

        Parameters
        ----------
        labels : int64, shape (n,), given labels
        pred_probs : float64, shape (n, K), out of sample
        opinions : on some of these rows
        """
        first, second = (of.probs(labels, pred_probs) for of in (self.posterior, self.doubting))
        probs = (1 - self.doubt) * first + self.doubt * second
        probs *= self._likelihoods(opinions, len(labels))
        probs /= probs.sum(axis=1, keepdims=True)
        return probs

    def both_probs(
        self, labels: IntArray, pred_probs: FloatArray, opinions: Opinions
    ) -> tuple[FloatArray, FloatArray]:
        """Return q, and q as labels are suggested by it; as `probs`.

        Where functions alone speak, these see the text as the classifier does, and do not make it
        say more against a label: the first posterior is believed there.
        """
        by_all = self.probs(labels, pred_probs, opinions)
        of_text = replace(self, doubt=0.0).probs(labels, pred_probs, opinions)
        is_heard = self.is_heard(opinions, len(labels))
        return by_all, np.where(is_heard[:, np.newaxis], by_all, of_text)

    def _by_label(self, labels: IntArray) -> FloatArray:
        """Return P(true class | given label), shape (n, K), up to a factor a row."""
        first, second = (of.weights / of.weights.sum() for of in (self.posterior, self.doubting))
        by_label: FloatArray = ((1 - self.doubt) * first + self.doubt * second)[labels]
        return by_label

    def _likelihoods(self, opinions: Opinions, n_rows: int) -> FloatArray:
        """Return P(all opinions on the row | true class) up to a factor a row, shape (n, K)."""
        is_function = np.array([kind == FUNCTION for kind in self.kinds], bool)
        # Of a function that has no opinion on a row; the silence of others says nothing
        silence = np.zeros((len(self.kinds), self.posterior.n_classes))
        silence[is_function] = np.log(1 - self.confusion[is_function].sum(axis=1))
        says = np.log(self.confusion[opinions.annotator, opinions.label])
        logs = _sums(n_rows, opinions.row, says - silence[opinions.annotator])
        logs += silence.sum(axis=0)
        logs -= logs.max(axis=1, keepdims=True)
        # What is said against the only class that text and label leave does not rule it out
        return np.exp(np.maximum(logs, _FURTHEST))

    def suggestions(
        self, labels: IntArray, pred_probs: FloatArray, opinions: Opinions
    ) -> Suggestions:
        """Return each row's most probable class, its probability and the given label's."""
        return Suggestions.of(labels, self.probs(labels, pred_probs, opinions))

    def quality(self) -> Quality:
        """Return how often each annotator is right, by the shares of the classes, with bounds."""
        shares = self.doubting.weights.sum(axis=0)
        right = np.diagonal(self.confusion, axis1=1, axis2=2) @ shares
        share = right / (self.confusion.sum(axis=1) @ shares)
        return Quality(share, *wilson(share, self.counts, _INTERVAL))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, for JSON; `from_dict` gives the same model back."""
        counts, says = self.counts.tolist(), self.confusion.tolist()
        return {
            "posterior": self.posterior.to_dict(),
            "doubting": self.doubting.to_dict(),
            "doubt": self.doubt,
            "annotators": [
                {"annotator": name, "kind": kind, "n": n, "confusion": confusion}
                for name, kind, n, confusion in zip(
                    self.annotators, self.kinds, counts, says, strict=True
                )
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned, or JSON of it; KeyError, ValueError or so on else."""
        posterior = Posterior.from_dict(content["posterior"])
        those, n_classes = content["annotators"], posterior.n_classes
        says = np.array([of["confusion"] for of in those], np.float64)
        return cls(
            posterior,
            Posterior.from_dict(content["doubting"]),
            float(content["doubt"]),
            tuple(of["annotator"] for of in those),
            tuple(of["kind"] for of in those),
            says.reshape(len(those), n_classes, n_classes),
            np.array([of["n"] for of in those], np.int64),
        )


def expected_gain(probs: FloatArray, says: FloatArray) -> FloatArray:
    """Return by how much one more opinion raises the chance that the most probable class is right.

    Parameters
    ----------
    probs : float64, shape (n, K), q of each row
    says : float64, shape (K, K), P(opinion = row | true = column) of who is asked

    Returns
    -------
    float64, shape (n,), Σ_l max_k q_k · says[l, k] - max_k q_k, at least 0
    """
    n_classes = probs.shape[1]
    gains = np.empty(len(probs))
    step = max(1, _CELLS // n_classes)
    for start in range(0, len(probs), step):
        part = probs[start : start + step]
        after = part[:, :1] * says[:, 0]
        for k in range(1, n_classes):
            np.maximum(after, part[:, k, np.newaxis] * says[:, k], out=after)
        gains[start : start + step] = after.sum(axis=1) - part.max(axis=1)
    return np.maximum(gains, 0.0)


def _sums(n_cells: int, cell: IntArray, values: FloatArray) -> FloatArray:
    """Return the sums of rows of values by cell, shape (cells, K)."""
    sums = np.zeros((n_cells, values.shape[1]))
    order = np.argsort(cell, kind="stable")
    cells, first = np.unique(cell[order], return_index=True)
    if len(cells):
        sums[cells] = np.add.reduceat(values[order], first, axis=0)
    return sums


def _at_least(doubting: Posterior, right: float) -> Posterior:
    """Return a posterior for which at least this share of the given labels is right.

    The errors that it believes in become fewer, all in proportion.
    """
    fewer = min(1.0, (1 - right) / max(doubting.wrong, _LEAST)) * doubting.weights
    np.fill_diagonal(fewer, 0.0)
    np.fill_diagonal(fewer, doubting.weights.sum(axis=0) - fewer.sum(axis=0))
    return Posterior.of_weights(doubting.calibration, fewer)

"""What further opinions are worth: how they are weighed, and which rows are asked about.

    .venv/bin/python tests/bench/opinions.py
    .venv/bin/python tests/bench/opinions.py --sets 'nyt-*' --tables orders --draws 2

weighing  labels that are right with one more opinion on a fifth of the rows, chosen by chance, and
          on all: by the majority (ties to the classifier), Dawid & Skene without a classifier,
          CROWDLAB, and ours
orders    labels that are right, by ours, after opinions on 5, 10 … 30% of the rows, each batch of
          5% chosen by what is known by then: up to 3 on a row. And the share of the opinions that
          are needed for what random order reaches with 30%
ceiling   of the fifth of the rows that is asked about first, one opinion each: rows whose label is
          wrong, opinions that are right, and how many wrong labels would be put right by ours, and
          by somebody who knows when the opinion is better than the given label
models   trusted rows, in %, that logistic regression without class weights is right on: trained on
         the labels as given, after `fix`, with the first 5 and 10% of `ask/` reviewed by who
         knows, with opinions on 10, 20, 30% in that order, by a person (a real vote) and by an
         annotator who is right in 80%, and on right labels. In brackets: 95% interval of what is
         gained on the labels as given, trusted rows resampled

Wrong labels put right are net of right ones put wrong. On nyt and amazon the given label is one
vote of 20, a further opinion another one, at random; the right label is the majority of all 20, the
given and the drawn ones among them. On Politeness the right label is the reference, and an opinion
is that in 80%. Sets are those of `evidence_sets.py`, probabilities of 10 folds by default, or of
FOLDER/SET.npz (`pred_probs`, float, shape (n, K)) with `--probs FOLDER`. Means of 5 draws; the
default sets take ten minutes of a core.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from cleanlab.multiannotator import get_active_learning_scores
from evidence import channel_of, cross_validated, percent, table
from evidence_sets import SOURCES, LabelledSet, _read, catalogue, holdout
from threadpoolctl import threadpool_limits

from lakewinnow.classifiers import registry
from lakewinnow.classifiers.base import TrainingRows
from lakewinnow.config.sections import CrossvalConfig
from lakewinnow.core.crowd.multiannotator import find_consensus
from lakewinnow.core.crowd.next_opinion import NextOpinion
from lakewinnow.core.crowd.opinions import OpinionModel, Opinions
from lakewinnow.core.noise.calibration import LossState
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.selection.label_issues import find_label_issues

TABLES = ("weighing", "orders", "ceiling", "models")
SETS = ("nyt-static", "nyt-mini", "amazon-static", "amazon-mini", "politeness-mini")
BATCH, BATCHES = 0.05, 6  # of the rows
MOST = 3  # further opinions on a row
N_FOLDS = 5
RESAMPLES = 2_000
RIGHT = 0.8  # of the opinions that are made of the reference
WITH_VOTES = ("nyt", "amazon")
VOTES = {"neg": 0, "neu": 1, "pos": 2}
Score = Callable[["Asked"], np.ndarray]  # of the rows, float64, shape (n,): the highest is next


@dataclass(frozen=True, eq=False)
class Case:
    """A set and what the run knows of it before any opinion."""

    name: str
    of: LabelledSet
    pred_probs: np.ndarray
    posterior: Posterior
    doubting: Posterior

    @property
    def wrong(self) -> float:
        """Share of wrong labels."""
        return float((self.of.given != self.of.right).mean())

    def put_right(self, labels: np.ndarray) -> float:
        """Return the share of the wrong labels that are put right, net."""
        return 1 - float((labels != self.of.right).mean()) / self.wrong


@dataclass(frozen=True, eq=False)
class Asked:
    """Opinions bought so far, and what they say."""

    case: Case
    drawn: np.ndarray  # int64, shape (n, MOST), opinions that one gets
    n_opinions: np.ndarray  # int64, shape (n,)
    rng: np.random.Generator

    @property
    def opinions(self) -> Opinions:
        """The opinions, each row's first by annotator 0, and so on."""
        row, turn = np.nonzero(np.arange(MOST) < self.n_opinions[:, np.newaxis])
        return Opinions.of(row, turn, self.drawn[row, turn])

    def model(self) -> OpinionModel:
        """Return ours."""
        case, names = self.case, [str(turn) for turn in range(MOST)]
        return OpinionModel.fit(
            case.of.given,
            case.pred_probs,
            self.opinions,
            names,
            ["annotation"] * MOST,
            case.posterior,
            case.doubting,
        )

    def probs(self, *, of_others: Posterior | None = None) -> np.ndarray:
        """Return the classes' probabilities, by a posterior where there is no opinion."""
        case, opinions = self.case, self.opinions
        if not len(opinions):
            return (of_others or case.doubting).probs(case.of.given, case.pred_probs)
        probs = self.model().probs(case.of.given, case.pred_probs, opinions)
        if of_others is not None:
            others = self.n_opinions == 0
            probs[others] = of_others.probs(case.of.given, case.pred_probs)[others]
        return probs

    def labels(self) -> np.ndarray:
        """Return the labels as a run with `fix` leaves them."""
        return self.probs(of_others=self.case.posterior).argmax(axis=1)

    def with_next(self, scores: np.ndarray, n: int) -> "Asked":
        """Ask about the n rows of the highest scores."""
        scores = np.where(self.n_opinions < MOST, scores, -np.inf)
        n_opinions = self.n_opinions.copy()
        n_opinions[np.argsort(-scores, kind="stable")[:n]] += 1
        return Asked(self.case, self.drawn, n_opinions, self.rng)

    def next_opinion(self) -> NextOpinion:
        """Return who is asked next."""
        if self.n_opinions.any():
            return NextOpinion.like_annotators(self.model())
        return NextOpinion.like_labels(self.case.doubting)


def by_chance(asked: Asked) -> np.ndarray:
    """Rows that nobody was asked about first."""
    return asked.rng.random(len(asked.drawn)) - asked.n_opinions


def by_entropy(asked: Asked) -> np.ndarray:
    """Return the entropy of q."""
    probs = np.maximum(asked.probs(), 1e-12)
    return -(probs * np.log(probs)).sum(axis=1)


def by_self_confidence(asked: Asked) -> np.ndarray:
    """Return how improbable the given label is to the classifier, where nobody was asked."""
    own = asked.case.pred_probs[np.arange(len(asked.drawn)), asked.case.of.given]
    return -own - asked.n_opinions


def by_active_lab(asked: Asked) -> np.ndarray:
    """Return Goh & Mueller's (2023) scores, as cleanlab has them."""
    said = np.where(np.arange(MOST) < asked.n_opinions[:, np.newaxis], asked.drawn, np.nan)
    labels = np.column_stack([asked.case.of.given, said])
    labels = labels[:, ~np.isnan(labels).all(axis=0)]
    return -get_active_learning_scores(labels, asked.case.pred_probs)[0]


def by_gain_of_channel(asked: Asked) -> np.ndarray:
    """Return the gain where text and label are believed as suggestions believe them."""
    probs = asked.probs(of_others=asked.case.posterior)
    return asked.next_opinion().gain(probs) - 1e-9 * probs.max(axis=1)


def by_gain(asked: Asked) -> np.ndarray:
    """Return what `ask/` sorts by."""
    probs = asked.probs()
    return asked.next_opinion().gain(probs) - 1e-9 * probs.max(axis=1)


ORDERS: dict[str, Score] = {
    "random": by_chance,
    "self-confidence": by_self_confidence,
    "ActiveLab": by_active_lab,
    "entropy": by_entropy,
    "gain, channel": by_gain_of_channel,
    "gain": by_gain,
}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=SETS, help="patterns; see evidence_sets.py")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="folder of vectors for the next run")
    parser.add_argument("--probs", type=Path, help="folder of probabilities by the name of the set")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1, user_api="blas"):
        keep = options.keep or Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        sets = {
            name: make
            for name, (family, make) in catalogue(keep).items()
            if family == "given" and any(fnmatch(name, pattern) for pattern in options.sets)
        }
        cases = [case_of(name, make(), options.probs) for name, make in sets.items()]
        if "weighing" in options.tables:
            print_weighing(cases, options.draws)
        if "orders" in options.tables:
            print_orders(cases, options.draws)
        if "ceiling" in options.tables:
            print_ceiling(cases, options.draws)
        if "models" in options.tables:
            print_models(cases, options.draws, keep)


def case_of(name: str, rows: LabelledSet, probs: Path | None) -> Case:
    """Cross-validate and estimate the noise, as the stages do."""
    found = None if probs is None else np.load(probs / f"{name}.npz")["pred_probs"]
    pred_probs = cross_validated(rows, 0, 10) if found is None else found.astype(np.float64)
    model, n_classes = find_label_issues(rows.given, pred_probs).noise_model, rows.n_classes
    priors = np.full((1, n_classes), 1 / n_classes)
    losses = LossState.zero(1, n_classes).update(rows.given, pred_probs, priors)
    model = model.with_posterior(losses.best(priors), None)
    channel, _ = channel_of(rows, pred_probs, model, losses)
    posterior = Posterior.of(model.with_posterior(model.calibration, channel))
    return Case(name, rows, pred_probs, posterior, Posterior.doubting(model))


def drawn(case: Case, seed: int, *, by_person: bool = True) -> np.ndarray:
    """Return opinions on each row, int64, shape (n, MOST).

    Parameters
    ----------
    by_person : whether they are real votes, where there are some
    """
    rng = np.random.default_rng(seed)
    source, right = case.name.split("-")[0], case.of.right
    if not (by_person and source in WITH_VOTES):
        shape = (len(right), MOST)
        wrong = (right[:, np.newaxis] + rng.integers(1, case.of.n_classes, shape)) % (
            case.of.n_classes
        )
        return np.where(rng.random(shape) < RIGHT, right[:, np.newaxis], wrong)
    votes = _read(f"crowd/{source}_votes.csv").set_index("id")["votes"]
    found = np.empty((len(right), MOST), np.int64)
    for row, row_id in enumerate(_read(SOURCES[source].train)["id"]):
        others = [VOTES[vote] for vote in votes[row_id].split("|")]
        others.remove(int(case.of.given[row]))
        found[row] = rng.permutation(others)[:MOST]
    return found


def asked_nobody(case: Case, seed: int, *, by_person: bool = True) -> Asked:
    """Return what can be asked, before it is."""
    n_rows = len(case.of.given)
    rng = np.random.default_rng([seed, 1])
    opinions = drawn(case, seed, by_person=by_person)
    return Asked(case, opinions, np.zeros(n_rows, np.int64), rng)


def crowd_labels(asked: Asked, method: str) -> np.ndarray:
    """Return labels of the given label and all opinions, alike, by another method."""
    case, opinions = asked.case, asked.opinions
    rows = np.arange(len(case.of.given))
    row = np.concatenate([rows, opinions.row])
    annotator = np.concatenate([np.zeros_like(rows), opinions.annotator + 1])
    label = np.concatenate([case.of.given, opinions.label])
    if method == "Dawid-Skene":
        return dawid_skene(row, annotator, label, case.of.n_classes)
    consensus = {"majority": "majority_vote", "CROWDLAB": "best_quality"}[method]
    found = find_consensus(row, annotator, label, case.pred_probs, consensus_method=consensus)
    return found.labels.consensus_label


def dawid_skene(
    row: np.ndarray, annotator: np.ndarray, label: np.ndarray, n_classes: int
) -> np.ndarray:
    """Return the likeliest labels by Dawid & Skene (1979), half a count on every cell."""
    n_annotators = annotator.max() + 1
    probs = np.zeros((row.max() + 1, n_classes))
    np.add.at(probs, (row, label), 1.0)
    probs /= probs.sum(axis=1, keepdims=True)
    for _ in range(100):
        confusion = np.full((n_annotators, n_classes, n_classes), 0.5)
        np.add.at(confusion, (annotator, label), probs[row])
        confusion /= confusion.sum(axis=1, keepdims=True)
        logs = np.tile(np.log(probs.mean(axis=0)), (len(probs), 1))
        np.add.at(logs, row, np.log(confusion[annotator, label]))
        probs = np.exp(logs - logs.max(axis=1, keepdims=True))
        probs /= probs.sum(axis=1, keepdims=True)
    return probs.argmax(axis=1)


def print_weighing(cases: Sequence[Case], n_draws: int) -> None:
    """Print how many labels are right, by method."""
    methods = ("majority", "Dawid-Skene", "CROWDLAB", "ours")
    columns = [f"{part}: {method}" for part in ("a fifth", "all") for method in methods]

    def lines() -> Iterator[Sequence[str]]:
        for case in cases:
            found = []
            for seed in range(n_draws):
                nobody = asked_nobody(case, seed)
                n_rows = len(nobody.drawn)
                for n in (n_rows // 5, n_rows):
                    asked = nobody.with_next(by_chance(nobody), n)
                    labels = [crowd_labels(asked, method) for method in methods[:-1]]
                    found += [(of == case.of.right).mean() for of in (*labels, asked.labels())]
            means = np.reshape(found, (n_draws, -1)).mean(axis=0)
            yield case.name, percent(1 - case.wrong), *map(percent, means)

    table(("set", "right before", *columns), lines())


def print_orders(cases: Sequence[Case], n_draws: int) -> None:
    """Print how many labels are right after each batch, by order."""
    budgets = [f"{100 * BATCH * i:.0f}%" for i in range(BATCHES + 1)]

    def curve(case: Case, order: Score, seed: int) -> Iterator[float]:
        asked = asked_nobody(case, seed)
        n_rows = len(asked.drawn)
        for batch in range(BATCHES + 1):
            if batch:
                due = round(BATCH * batch * n_rows) - int(asked.n_opinions.sum())
                asked = asked.with_next(order(asked), due)
            yield float((asked.labels() == case.of.right).mean())

    def lines() -> Iterator[Sequence[str]]:
        for case in cases:
            goal = np.inf
            for name, order in ORDERS.items():
                found = np.mean([list(curve(case, order, seed)) for seed in range(n_draws)], axis=0)
                goal = min(goal, found[-1])  # of random order, the first
                best = np.maximum.accumulate(found)
                at = float(np.interp(goal, best, np.linspace(0, 1, BATCHES + 1)))
                needed = percent(at, 0) if best[-1] >= goal else "more"
                put_right = 1 - (1 - found[4]) / case.wrong
                yield case.name, name, *map(percent, found), percent(put_right, 0), needed

    header = ("set", "order", *budgets, "wrong put right at 20%", "opinions for random's")
    table(header, lines())


def print_ceiling(cases: Sequence[Case], n_draws: int) -> None:
    """Print what one opinion on a fifth of the rows could do at most."""
    header = (
        *("set", "wrong, %", "wrong among asked", "of all wrong", "opinion right: label wrong"),
        *("label right", "put right by ours", "by who knows"),
    )

    def lines() -> Iterator[Sequence[str]]:
        for case in cases:
            given, right = case.of.given, case.of.right
            found = []
            for seed in range(n_draws):
                asked = asked_nobody(case, seed)
                asked = asked.with_next(by_gain(asked), len(given) // 5)
                is_asked, opinion = asked.n_opinions > 0, asked.drawn[:, 0]
                is_wrong, is_right = is_asked & (given != right), is_asked & (given == right)
                known = np.where(is_asked & (opinion == right), opinion, given)
                found.append(
                    (
                        is_wrong.sum() / is_asked.sum(),
                        is_wrong.mean() / case.wrong,
                        (opinion == right)[is_wrong].mean(),
                        (opinion == right)[is_right].mean(),
                        case.put_right(asked.labels()),
                        case.put_right(known),
                    )
                )
            means = np.mean(found, axis=0)
            yield case.name, percent(case.wrong), *(percent(value, 0) for value in means)

    table(header, lines())


def versions(case: Case, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the versions of the labels that models are trained on."""
    given, right = case.of.given, case.of.right
    nobody = asked_nobody(case, seed)
    fixed = nobody.labels()
    yield "as given", given
    yield "fixed", fixed
    for share in (BATCH, 2 * BATCH):
        reviewed = nobody.with_next(by_gain(nobody), round(share * len(given))).n_opinions > 0
        yield f"{100 * share:.0f}% reviewed", np.where(reviewed, right, fixed)
    for who, by_person in (("person", True), ("80%", False)):
        if by_person and case.name.split("-")[0] not in WITH_VOTES:
            continue
        asked = asked_nobody(case, seed, by_person=by_person)
        for batch in range(1, BATCHES + 1):
            due = round(BATCH * batch * len(given)) - int(asked.n_opinions.sum())
            asked = asked.with_next(by_gain(asked), due)
            if batch % 2 == 0:
                yield f"{100 * BATCH * batch:.0f}%, {who}", asked.labels()
    yield "right", right


def print_models(cases: Sequence[Case], n_draws: int, keep: Path) -> None:
    """Print what models of each version of the labels are worth."""

    def lines() -> Iterator[Sequence[str]]:
        for case in cases:
            source, kind = case.name.split("-")
            trusted = holdout(keep, source, kind)
            (section,) = CrossvalConfig(params={"class_weight": None}).members
            classifier = registry.load(section, [str(k) for k in range(case.of.n_classes)])
            folds = case.of.texts % N_FOLDS
            rows = TrainingRows(case.of.vectors, case.of.given, folds, case.of.n_classes)
            classifier, _ = classifier.settle(rows)
            is_right: dict[str, list[np.ndarray]] = {}
            for seed in range(n_draws):
                for name, labels in versions(case, seed):
                    models, _ = classifier.fit_folds(rows._replace(labels=labels), [N_FOLDS], None)
                    said = models.predict(trusted.vectors, N_FOLDS).argmax(axis=1)
                    is_right.setdefault(name, []).append(said == trusted.right)
            means = {name: np.mean(found, axis=0) for name, found in is_right.items()}
            n_rows = len(trusted.right)
            resampled = np.random.default_rng(0).integers(0, n_rows, (RESAMPLES, n_rows))
            for name, found in means.items():
                gains = (found - means["as given"])[resampled].mean(axis=1)
                low, high = (f"{100 * of:+.1f}" for of in np.quantile(gains, [0.025, 0.975]))
                yield case.name, name, percent(found.mean()), f"[{low}, {high}]"

    table(("set", "labels", "right", "gained"), lines())


if __name__ == "__main__":
    main()

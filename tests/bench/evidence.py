"""What suggested labels are worth, on many sets whose right labels are known.

    .venv/bin/python tests/bench/evidence.py --sets 'politeness-*' --tables labels
    .venv/bin/python tests/bench/evidence.py --tables labels calibration detection
    .venv/bin/python tests/bench/evidence.py --sets '*-static' '*-mini' --tables stability
    .venv/bin/python tests/bench/evidence.py --sets 'nyt-*' 'politeness-*' --tables models

labels       labels that are right before, after `fix` by the old rule (`Posterior.doubting`) and
             after `fix` now; how many are changed, share of these that become right, and the mean
             of suggested_prob there, which is to be the same
calibration  the changes in fifths by suggested_prob: its mean, and the share that is right
detection    label_score as a detector of wrong labels, of both methods: area under the ROC curve,
             average precision
stability    rows, in %, that end otherwise with another seed, and with 5 or 20 folds: by default
             (in brackets: dropped or not), and fixed by the posterior
models       labels that are right before and after `fix`, and trusted rows, in %, that models of
             each version of the labels are right on, as `run` says: slow, and of the given sets
             only; `--set` is a key of the configuration

Sets are those of `evidence_sets.py`; simulated ones are summed up by the kind of noise. All but
`models` are made in memory, by the functions that the stages call. `--keep` is a folder for vectors
and for the embedding store, so that a second run need not embed. Beside that, simulated sets take
two minutes of a core, the others but banking77 one; its MiniLM vectors take many.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from evidence_sets import DATA, EMBEDDINGS, NOISE, SOURCES, LabelledSet, Source, catalogue, tables
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

import lakewinnow
from lakewinnow.classifiers import registry as classifiers
from lakewinnow.classifiers.base import TrainingRows
from lakewinnow.classifiers.repeats import repeated
from lakewinnow.config.file import load_config
from lakewinnow.config.sections import CrossvalConfig
from lakewinnow.core.noise.calibration import LossState
from lakewinnow.core.noise.channel import Channel
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.noise.second_look import MISSED, missed
from lakewinnow.core.selection.label_issues import find_label_issues
from lakewinnow.spark.passes.channel import sample_size
from lakewinnow.spark.sessions.session import running
from lakewinnow.stages.noise import shows_noise

TABLES = ("labels", "calibration", "detection", "stability", "models")
VERSIONS = ("baseline", "control", "dropped", "fixed", "soft", "clean", "ceiling")
OTHER_FOLDINGS = {"seed 1": (1, 10), "5 folds": (0, 5), "20 folds": (0, 20)}
KEPT, REVIEWED, DROPPED = range(3)
N_BINS = 5
HARM = 0.003  # of all labels


@dataclass(frozen=True, eq=False)
class Judged:
    """What a run would say of a set."""

    name: str
    family: str
    of: LabelledSet
    old: np.ndarray  # int64, shape (n,), labels after `fix` by the old rule
    fixed: np.ndarray  # the same now
    probs: np.ndarray  # float64, shape (n,), suggested_prob
    decision: np.ndarray  # by default: KEPT, REVIEWED or DROPPED
    scores: dict[str, np.ndarray]  # label_score by method
    is_shown: bool  # whether labels are shown to be wrong

    @property
    def changed(self) -> np.ndarray:
        """Rows that are fixed."""
        return self.fixed != self.of.given

    def right(self, labels: np.ndarray) -> float:
        """Return the share of labels that are right."""
        return float((labels == self.of.right).mean())


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=["*"], help="patterns; see evidence_sets.py")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--keep", type=Path, help="folder of vectors for the next run")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, for models")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        keep = options.keep or Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        sets = {
            name: made
            for name, made in catalogue(keep).items()
            if any(fnmatch(name, pattern) for pattern in options.sets)
        }
        found = []
        if "stability" in options.tables:
            print(
                f"\n| set | {' | '.join(OTHER_FOLDINGS)} |\n|{'---|' * (len(OTHER_FOLDINGS) + 1)}"
            )
        if set(options.tables) - {"models"}:
            for name, (family, make) in sets.items():
                with threadpool_limits(1, user_api="blas"):  # as in a task
                    found.append(judge(name, family, make(), 0, 10))
                if "stability" in options.tables and family == "given":
                    print_stability(found[-1])
        if "labels" in options.tables:
            print_labels(found)
        if "calibration" in options.tables:
            print_calibration(found)
        if "detection" in options.tables:
            print_detection(found)
        if "models" in options.tables:
            print_models(
                [name for name, (of, _) in sets.items() if of == "given"], keep, options.set
            )


def judge(name: str, family: str, rows: LabelledSet, seed: int, n_folds: int) -> Judged:
    """Cross-validate, estimate the noise and judge every row, as the stages do."""
    given, n_classes = rows.given.astype(np.int64), rows.n_classes
    pred_probs = cross_validated(rows, seed, n_folds)
    issues = find_label_issues(given, pred_probs)
    model, equal = issues.noise_model, np.full((1, n_classes), 1 / n_classes)
    losses = LossState.zero(1, n_classes).update(given, pred_probs, equal)
    model = model.with_posterior(losses.best(equal), None)
    doubting = Posterior.doubting(model)
    channel, is_shown = channel_of(rows, pred_probs, model, losses)
    posterior = Posterior.of(model.with_posterior(model.calibration, channel))
    old, now = (of.suggestions(given, pred_probs) for of in (doubting, posterior))
    is_dropped = issues.is_label_issue & (now.labels != given)
    scores = {"confident_learning": issues.label_score, "posterior": old.given_probs}
    decision = np.where(is_dropped, DROPPED, np.where(issues.is_label_issue, REVIEWED, KEPT))
    return Judged(name, family, rows, old.labels, now.labels, now.probs, decision, scores, is_shown)


def cross_validated(rows: LabelledSet, seed: int, n_folds: int) -> np.ndarray:
    """Return out-of-sample probabilities by the default classifier, float64, shape (n, K)."""
    rng = np.random.default_rng([seed, n_folds])
    label = np.zeros(rows.texts.max() + 1, np.int64)
    label[rows.texts[::-1]] = rows.given[::-1]
    order = rng.permutation(len(label))
    order = order[np.argsort(label[order], kind="stable")]  # each class evenly
    folds = np.empty(len(label), np.int64)
    folds[order] = np.arange(len(label)) % n_folds
    config = CrossvalConfig()
    (section,) = config.members
    classifier = classifiers.load(section, [str(k) for k in range(rows.n_classes)])
    training = TrainingRows(
        np.ascontiguousarray(rows.vectors, np.float32),
        rows.given.astype(np.int64),
        folds[rows.texts],
        rows.n_classes,
    )
    keys = pa.chunked_array([pa.array(rows.texts)])
    pred_probs, _ = repeated(classifier, training, keys, config.repeats)
    return pred_probs.astype(np.float64)


def channel_of(
    rows: LabelledSet, pred_probs: np.ndarray, model: NoiseModel, losses: LossState
) -> tuple[Channel, bool]:
    """Return the channel, closed where wrong labels are not shown, as the stage noise does."""
    n_rows = min(sample_size(rows.n_classes), len(rows.given))
    sample = np.sort(np.random.default_rng(0).permutation(len(rows.given))[:n_rows])
    given, probs = rows.given[sample].astype(np.int64), pred_probs[sample]
    is_missed = missed(given, probs, rows.vectors[sample]) > MISSED
    channel = Channel.fit(given, probs, model.noise_matrix, ~is_missed)
    explained = float(1 - losses.balanced_losses().min() / np.log(rows.n_classes))
    is_shown = shows_noise(channel, explained, n_rows)
    return (channel if is_shown else channel.without_noise()), is_shown


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    print(f"\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for line in lines:
        print(f"| {' | '.join(line)} |", flush=True)


def percent(value: float, places: int = 1) -> str:
    """Return a share in %."""
    return "–" if np.isnan(value) else f"{100 * value:.{places}f}"


def print_labels(found: Sequence[Judged]) -> None:
    """Print how many labels are right; simulated sets by the kind of noise."""
    header = ("set", "rows", "right before", "by the old rule", "now", "changed", "right", "said")

    def lines() -> Iterator[Sequence[str]]:
        for of in found:
            if of.family != "simulated":
                yield (
                    of.name,
                    f"{len(of.of.given):,}",
                    *(percent(of.right(labels)) for labels in (of.of.given, of.old, of.fixed)),
                    *changes([of]),
                )

    table(header, lines())
    header = (
        "simulated, noise",
        "sets",
        "right before",
        "by the old rule",
        "now",
        "changed",
        "right",
        "said",
        "sets harmed, old",
        "sets harmed, now",
        "worst, old",
        "worst, now",
        "of the old gains",
    )

    def sums() -> Iterator[Sequence[str]]:
        simulated = [of for of in found if of.family == "simulated"]
        for noise in (*NOISE, ""):
            those = [of for of in simulated if of.of.note.startswith(noise)]
            if not those:
                continue
            before, old, now = (
                np.array([of.right(getattr(of, what, of.of.given)) for of in those])
                for what in ("given", "old", "fixed")
            )
            gains = old > before
            kept = (now - before)[gains].sum() / max((old - before)[gains].sum(), 1e-9)
            yield (
                noise or "all",
                str(len(those)),
                *(percent(of.mean()) for of in (before, old, now)),
                *changes(those),
                *(str(int((of - before < -HARM).sum())) for of in (old, now)),
                *(f"{100 * (of - before).min():+.1f}" for of in (old, now)),
                percent(kept, 0),
            )

    if any(of.family == "simulated" for of in found):
        table(header, sums())


def changes(those: Sequence[Judged]) -> Sequence[str]:
    """Return how many labels change, the share that is right there, and the mean of q."""
    is_right = np.concatenate([(of.fixed == of.of.right)[of.changed] for of in those])
    probs = np.concatenate([of.probs[of.changed] for of in those])
    if not len(probs):
        return "0", "–", "–"
    return f"{len(probs):,}", percent(is_right.mean(), 0), percent(probs.mean(), 0)


def print_calibration(found: Sequence[Judged]) -> None:
    """Print suggested_prob against the share that is right, in fifths of the changes."""
    groups = defaultdict[str, list[Judged]](list)
    for of in found:
        name = of.name if of.family == "given" else f"{of.family} {of.of.note}".strip()
        groups[name].append(of)

    def lines() -> Iterator[Sequence[str]]:
        for name, those in groups.items():
            probs = np.concatenate([of.probs[of.changed] for of in those])
            is_right = np.concatenate([(of.fixed == of.of.right)[of.changed] for of in those])
            if len(probs) < N_BINS:
                continue
            parts = np.array_split(np.argsort(probs, kind="stable"), N_BINS)
            cells = (
                f"{100 * probs[part].mean():.0f}: {100 * is_right[part].mean():.0f}"
                for part in parts
            )
            yield name, f"{len(probs):,}", *cells

    table(("changes of", "n", *(f"fifth {i + 1}" for i in range(N_BINS))), lines())


def print_detection(found: Sequence[Judged]) -> None:
    """Print how well label_score finds the wrong labels."""
    methods = ("confident_learning", "posterior")
    header = ("set", "wrong, %", *(f"{of}: {what}" for of in methods for what in ("AUROC", "AP")))

    def lines() -> Iterator[Sequence[str]]:
        for of in found:
            wrong = of.of.given != of.of.right
            if of.family != "simulated" and wrong.any():
                figures = (
                    f"{measure(wrong, -of.scores[method]):.3f}"
                    for method in methods
                    for measure in (roc_auc_score, average_precision_score)
                )
                yield of.name, percent(wrong.mean()), *figures

    table(header, lines())


def print_stability(first: Judged) -> None:
    """Print a line: how many rows end otherwise with other folds."""
    cells = []
    for seed, n_folds in OTHER_FOLDINGS.values():
        with threadpool_limits(1, user_api="blas"):
            other = judge(first.name, first.family, first.of, seed, n_folds)
        by_default = (other.decision != first.decision).mean()
        is_dropped = ((other.decision == DROPPED) != (first.decision == DROPPED)).mean()
        fixed = (other.fixed != first.fixed).mean()
        cells.append(f"{percent(by_default)} ({percent(is_dropped)}), fix {percent(fixed)}")
    print(f"| {first.name} | {' | '.join(cells)} |", flush=True)


def print_models(names: Sequence[str], keep: Path, overrides: Sequence[str]) -> None:
    """Print what models of each version of the labels are right on."""
    makers = tables()
    table(("set", "right before", "after", *VERSIONS), ())
    with running() as spark:
        for name in names:
            stem, _, kind = name.rpartition("-")
            source, make = makers[stem]
            embedding = {**EMBEDDINGS[kind], "store": str(keep / "store")}
            with tempfile.TemporaryDirectory() as folder:
                written = write(Path(folder), SOURCES[source], make(), embedding)
                config = load_config(written, overrides=overrides)
                found = lakewinnow.run(config, spark).summary
            cells = (
                *labels_right(found["detection"]),
                *(accuracy(found["evaluate"][of]) for of in VERSIONS),
            )
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def write(folder: Path, source: Source, rows: pd.DataFrame, embedding: dict[str, Any]) -> Path:
    """Write rows, right labels and configuration of a run; return the path of the last."""
    ids = [f"{i:06}" for i in range(len(rows))]
    for name in ("given", "right"):
        content = {"id": ids, source.text: rows["text"], source.label: rows[name]}
        pd.DataFrame(content).to_csv(folder / f"{name}.csv", index=False)
    raw = {
        "input": {
            "path": str(folder / "given.csv"),
            "id": "id",
            "text": source.text,
            "label": source.label,
        },
        "workspace": str(folder / "out"),
        "embedding": embedding,
        "evaluate": {
            "holdout": str(DATA / source.holdout),
            "reference": str(folder / "right.csv"),
            "params": {"class_weight": None},  # as people would train them
        },
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def labels_right(found: Mapping[str, Any]) -> tuple[str, str]:
    """Return the share of right labels as given, and after `fix`."""
    wrong = found["errors"] / found["rows"]
    gained = wrong * found["fixed_right"] - (1 - wrong) * found["harmed"]
    return percent(1 - wrong), percent(1 - wrong + gained)


def accuracy(version: Mapping[str, Any]) -> str:
    """Return the accuracy of a version's models, and how it compares with the baseline's."""
    to = version.get("to_baseline")
    if not to:
        return percent(version["accuracy"])
    low, high = (100 * to[f"accuracy_{end}"] for end in ("low", "high"))
    return f"{percent(version['accuracy'])}: {100 * to['accuracy']:+.1f} [{low:+.1f}, {high:+.1f}]"


if __name__ == "__main__":
    main()

"""Sets of texts whose given and right labels are both known, for `evidence.py`.

given      labels as people or a plan gave them: one rater's vote of New York Times and Amazon
           sentences, Politeness (all rows, and 300), banking77 with a fifth of the labels moved
votes      the same sentences by the majority of several votes, with a class made rare, or few rows
right      right labels, given as they are: what a weak classifier alone is taken for
simulated  right labels with errors planted: none, uniform, by class, by text (where texts are
           nearest to another class) or both; weak and strong vectors, sizes, rare classes
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from posterior import planted

from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.embedding import registry

DATA = Path("../shared/data")
EMBEDDINGS: dict[str, dict[str, Any]] = {
    "static": {},
    "mini": {"provider": "sentence-transformers", "layers": [2, 3, 4]},
}
NOISE = ("none", "uniform", "class", "text", "both")
N_SIMULATED = 200
_AT_ONCE = 256  # texts


@dataclass(frozen=True)
class Source:
    """Files of a corpus: rows as given, the same with right labels, and other rows."""

    train: str
    text: str
    label: str
    fixed: str | None
    holdout: str

    def table(self) -> pd.DataFrame:
        """Return text, given and right label of each row."""
        given = _read(self.train)
        right = _read(self.fixed) if self.fixed else given
        columns = {"text": given[self.text], "given": given[self.label]}
        return pd.DataFrame({**columns, "right": right[self.label]})


SOURCES = {
    name: Source(f"crowd/{name}_train.csv", "text", "label", f"crowd/{name}_train_fixed.csv", test)
    for name, test in (("nyt", "crowd/nyt_test.csv"), ("amazon", "crowd/amazon_test.csv"))
} | {
    "politeness": Source(
        "politeness/train.csv",
        "prompt",
        "completion",
        "politeness/train_fixed.csv",
        "politeness/test.csv",
    ),
    "banking77": Source("banking77/train.csv", "text", "category", None, "banking77/test.csv"),
}


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Rows with vectors, and labels as indices of the same classes."""

    vectors: np.ndarray  # float32, shape (n, D)
    given: np.ndarray  # int64, shape (n,)
    right: np.ndarray
    texts: np.ndarray  # int64, shape (n,), equal where texts are
    note: str = ""  # how errors were planted

    @property
    def n_classes(self) -> int:
        """K."""
        return int(max(self.given.max(), self.right.max())) + 1


@dataclass(frozen=True, eq=False)
class Holdout:
    """Rows with trusted labels that no model has seen."""

    vectors: np.ndarray  # float32, shape (n, D)
    right: np.ndarray  # int64, shape (n,)


def holdout(keep: Path, source: str, kind: str) -> Holdout:
    """Return the trusted rows of a source, with the classes of its other rows."""
    of, rows = SOURCES[source], SOURCES[source].table()
    names = sorted(set(rows["given"]) | set(rows["right"]))
    right = _read(of.holdout)[of.label].map(names.index).to_numpy()
    return Holdout(vectors(keep, source, kind, of_holdout=True), right)


def tables() -> dict[str, tuple[str, Callable[[], pd.DataFrame]]]:
    """Return the given sets by name: the source, and how to make the table."""
    banking = SOURCES["banking77"]
    return {
        "nyt": ("nyt", SOURCES["nyt"].table),
        "amazon": ("amazon", SOURCES["amazon"].table),
        "politeness": ("politeness", SOURCES["politeness"].table),
        "politeness300": ("politeness", partial(_some_rows, SOURCES["politeness"], 300)),
        "banking77uniform": ("banking77", partial(_planted, banking, "uniform")),
        "banking77nearest": ("banking77", partial(_planted, banking, "nearest")),
    }


def catalogue(keep: Path) -> dict[str, tuple[str, Callable[[], LabelledSet]]]:
    """Return all sets by name: the family, and how to make the set.

    Parameters
    ----------
    keep : folder where vectors are kept
    """
    sets: dict[str, tuple[str, Callable[[], LabelledSet]]] = {}
    for name, (source, table) in tables().items():
        for kind in EMBEDDINGS:
            sets[f"{name}-{kind}"] = "given", partial(_of_table, keep, source, kind, table)
    for source in ("nyt", "amazon"):
        for kind in EMBEDDINGS:
            for n_votes in (3, 5, 9):
                make = partial(_of_votes, keep, source, kind, n_votes)
                sets[f"{source}-{kind}-votes{n_votes}"] = "votes", make
            for share in (0.015, 0.05):
                make = partial(_of_votes, keep, source, kind, 1, rare=share)
                sets[f"{source}-{kind}-rare{share}"] = "votes", make
            make = partial(_of_votes, keep, source, kind, 1, n_rows=300)
            sets[f"{source}-{kind}-rows300"] = "votes", make
    for source in ("nyt", "amazon", "politeness"):
        for kind in EMBEDDINGS:
            sets[f"{source}-{kind}-right"] = "right", partial(_right, keep, source, kind)
            make = partial(_right, keep, source, kind, n_rows=1600)
            sets[f"{source}-{kind}-right1600"] = "right", make
    for number in range(N_SIMULATED):
        sets[f"simulated{number:03}"] = "simulated", partial(_simulated, keep, number)
    return sets


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / name, dtype=str, keep_default_na=False)


def _some_rows(source: Source, n_rows: int) -> pd.DataFrame:
    return source.table().sample(n_rows, random_state=0).sort_index()


def _planted(source: Source, how: str) -> pd.DataFrame:
    table = source.table()
    return table.assign(given=planted(table["text"], table["right"], how, 0.2))


def _of_table(keep: Path, source: str, kind: str, table: Callable[[], pd.DataFrame]) -> LabelledSet:
    rows = table()
    names = sorted(set(rows["given"]) | set(rows["right"]))
    given, right = (rows[name].map(names.index).to_numpy() for name in ("given", "right"))
    places = rows.index.to_numpy()
    return LabelledSet(vectors(keep, source, kind)[places], given, right, _texts(source)[places])


@cache
def _whole(keep: Path, source: str, kind: str) -> LabelledSet:
    return _of_table(keep, source, kind, SOURCES[source].table)


def _of_votes(
    keep: Path, source: str, kind: str, n_votes: int, *, rare: float = 0, n_rows: int = 0
) -> LabelledSet:
    """Return a crowd set by the majority of some votes, ties broken by chance.

    Parameters
    ----------
    rare : share of all rows that are of the middle class, 0: as it is
    n_rows : 0: all
    """
    whole = _whole(keep, source, kind)
    rng = np.random.default_rng([n_votes, round(1000 * rare), n_rows])
    names = {"neg": 0, "neu": 1, "pos": 2}
    given = []
    for votes in _read(f"crowd/{source}_votes.csv")["votes"]:
        drawn = rng.choice([names[vote] for vote in votes.split("|")], n_votes, replace=False)
        counts = np.bincount(drawn, minlength=3) + rng.random(3) / 2
        given.append(int(counts.argmax()))
    rows = np.arange(len(given))
    if rare:
        rows = _with_rare(rows, whole.right, 1, rare, rng)
    if n_rows:
        rows = np.sort(rng.choice(rows, n_rows, replace=False))
    return LabelledSet(
        whole.vectors[rows], np.array(given)[rows], whole.right[rows], whole.texts[rows]
    )


def _right(keep: Path, source: str, kind: str, *, n_rows: int = 0) -> LabelledSet:
    """Return a set with the right labels given.

    Parameters
    ----------
    n_rows : 0: all
    """
    whole = _whole(keep, source, kind)
    rows = np.arange(len(whole.right))
    if n_rows:
        rows = np.sort(np.random.default_rng(n_rows).choice(rows, n_rows, replace=False))
    right = whole.right[rows]
    return LabelledSet(whole.vectors[rows], right, right, whole.texts[rows])


def _simulated(keep: Path, number: int) -> LabelledSet:
    """Return right labels of a corpus, some of its rows and classes, with errors planted."""
    rng = np.random.default_rng([number, 17])
    source = str(rng.choice(["nyt", "amazon", "politeness", "banking77", "banking77"]))
    kind = "static" if source == "banking77" or rng.random() < 2 / 3 else "mini"
    whole = _whole(keep, source, kind)
    width = int(rng.choice([16, 64, 256] if kind == "static" else [whole.vectors.shape[1]]))
    right, rows = whole.right, np.arange(len(whole.right))
    if source == "banking77":
        n_classes = int(rng.choice([2, 3, 5, 10, 30, 77]))
        rows = np.flatnonzero(np.isin(right, rng.choice(77, n_classes, replace=False)))
    if rng.random() < 0.35:
        rare = int(rng.choice(np.unique(right[rows])))
        rows = _with_rare(rows, right, rare, rng.uniform(0.01, 0.03), rng)
    n_rows = int(np.exp(rng.uniform(np.log(min(300, len(rows))), np.log(len(rows)))))
    rows = np.sort(rng.choice(rows, n_rows, replace=False))
    classes, right = np.unique(right[rows], return_inverse=True)
    vectors_ = whole.vectors[rows, :width]
    vectors_ = vectors_ / np.maximum(np.linalg.norm(vectors_, axis=1, keepdims=True), 1e-12)
    noise = str(rng.choice(NOISE))
    share = float(rng.choice([0.03, 0.08, 0.15, 0.25, 0.35]))
    given = plant(right, len(classes), vectors_, noise, share, rng)
    return LabelledSet(vectors_, given, right, whole.texts[rows], noise)


def plant(
    right: np.ndarray,
    n_classes: int,
    vectors_: np.ndarray,
    noise: str,
    share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return labels, about a share of which is wrong; see the module for `noise`."""
    rows = np.arange(len(right))
    means = np.stack([vectors_[right == k].mean(axis=0) for k in range(n_classes)])
    likeness = vectors_ @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    own = likeness[rows, right]
    likeness[rows, right] = -np.inf
    of_class = rng.dirichlet(np.full(n_classes, 1.5)) * n_classes
    # From 0, of the row nearest to another class, to 1
    clear = (own - likeness.max(axis=1)).argsort().argsort() / len(right)
    chance = {
        "none": np.zeros(len(right)),
        "uniform": np.full(len(right), share),
        "class": np.minimum(share * of_class[right], 0.6),
        "text": np.minimum(2 * share * (1 - clear), 0.7),
        "both": np.minimum(2 * share * (1 - clear) * of_class[right], 0.7),
    }[noise]
    if noise == "uniform":
        other = (right + rng.integers(1, n_classes, len(right))) % n_classes
    elif noise == "class":
        other = (right + rng.integers(1, min(3, n_classes), len(right))) % n_classes
    else:
        other = likeness.argmax(axis=1)
    given = np.where(rng.random(len(right)) < chance, other, right)
    for lost in np.setdiff1d(right, given):  # a class that no row is given would not be known
        given[right.tolist().index(lost)] = lost
    return given


def _with_rare(
    rows: np.ndarray, right: np.ndarray, rare: int, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the rows, so few of them of one class."""
    is_rare = right[rows] == rare
    others, mine = rows[~is_rare], rows[is_rare]
    n = min(max(5, int(share / (1 - share) * len(others))), len(mine))
    return np.sort(np.concatenate([others, rng.choice(mine, n, replace=False)]))


@cache
def _texts(source: str) -> np.ndarray:
    codes, _ = pd.factorize(SOURCES[source].table()["text"])
    return codes.astype(np.int64)


@cache
def vectors(keep: Path, source: str, kind: str, *, of_holdout: bool = False) -> np.ndarray:
    """Return the vectors of a source's rows, shape (n, D); made where they are not kept yet."""
    path = keep / f"{source}_{kind}{'_holdout' if of_holdout else ''}.npy"
    if not path.exists():
        embedder, of = registry.load(EmbeddingConfig(**EMBEDDINGS[kind])), SOURCES[source]
        texts = _read(of.holdout if of_holdout else of.train)[of.text].tolist()
        parts = [embedder.embed(texts[i : i + _AT_ONCE]) for i in range(0, len(texts), _AT_ONCE)]
        np.save(path, np.concatenate(parts))
    return np.load(path)

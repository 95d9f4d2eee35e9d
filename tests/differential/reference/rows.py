"""Which rows of an input can be used, what tells them apart, and who is held out with whom."""

import hashlib
import math
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from .hashing import xxhash64

OFF_BY, OFF_SUM = 1e-3 + 1e-9, 1e-2  # of a probability outside 0 .. 1, of their sum


@dataclass
class Row:
    """A row of the input."""

    values: dict  # by the input's columns
    code: str | None  # why it cannot be used; None: it can
    label: str | None  # as text
    row_id: str | None = None
    key: bytes | None = None  # of what it is judged by
    shard: int = 0
    fold: int = 0


@dataclass
class Input:
    """An input, judged."""

    rows: list[Row]
    classes: list[str]
    n_shards: int = field(default=1)

    @property
    def accepted(self):
        return [row for row in self.rows if row.code is None]

    @property
    def rejected(self):
        return [row for row in self.rows if row.code is not None]


def judge(table, config):
    """Judge the rows of a table of Arrow by a configuration of plain mappings."""
    source = config["input"]
    rows = [
        Row(values, _code(values, source), _as_text(values[source["label"]]))
        for values in table.to_pylist(maps_as_pydicts=None)
    ]
    usable = [row for row in rows if row.code is None]
    if "embedding" in source:
        lengths = Counter(len(row.values[source["embedding"]]) for row in usable)
        usual = max(lengths, key=lambda n: (lengths[n], n))
        _reject(usable, "embedding_wrong_length", source["embedding"], usual)
        usable = [row for row in usable if row.code is None]
    is_number = not any(isinstance(row.values[source["label"]], str) for row in usable)
    found = {row.label for row in usable}
    classes = [str(name) for name in source.get("classes") or []]
    classes = classes or sorted(found, key=int if is_number else None)
    if "pred_probs" in source:
        _reject(usable, "pred_probs_wrong_length", source["pred_probs"], len(classes))
    return Input(rows, classes)


def _reject(rows, code, name, length):
    for row in rows:
        if len(row.values[name]) != length:
            row.code = code


def _as_text(value):
    return None if value is None else str(value)


def is_blank(text):
    """Whether a text has nothing but white space, separators and control or format characters."""
    return all(c.isspace() or unicodedata.category(c)[0] in "ZC" for c in text)


def _code(values, source):
    """Return the first reason why a row cannot be used, the lengths of its lists aside."""
    for name, code_of in (
        ("text", lambda text: _code_of_text(text, source.get("max_text_length", 100_000))),
        ("label", lambda label: _code_of_label(_as_text(label), source.get("classes"))),
        ("pred_probs", _code_of_probs),
        ("embedding", _code_of_vector),
    ):
        code = code_of(values[source[name]]) if name in source else None
        if code is not None:
            return code
    features = [values[name] for name in source.get("features", [])]
    return "features_null" if features and all(map(_is_missing, features)) else None


def _code_of_text(text, most):
    if text is None:
        return "text_null"
    if is_blank(text):
        return "text_blank"
    return "text_too_long" if len(text) > most else None


def _code_of_label(label, classes):
    if label is None or is_blank(label):
        return "label_null"
    is_unknown = classes is not None and label not in map(str, classes)
    return "label_not_in_classes" if is_unknown else None


def _code_of_vector(vector):
    if not vector:
        return "embedding_null"
    is_finite = all(x is not None and math.isfinite(x) for x in vector)
    return None if is_finite else "embedding_not_finite"


def _is_missing(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


def _code_of_probs(probs):
    if not probs:
        return "pred_probs_wrong_length"
    if any(_is_missing(p) for p in probs):
        return "pred_probs_nan"
    if min(probs) < -OFF_BY:
        return "pred_probs_negative"
    if max(probs) > 1 + OFF_BY:
        return "pred_probs_above_one"
    return "pred_probs_sum" if abs(np.sum(probs) - 1) > OFF_SUM else None


def clipped(probs):
    """Return probabilities within 0 .. 1, where one is outside by more than 1e-6."""
    is_within = all(-1e-6 <= p <= 1 + 1e-6 for p in probs)
    return probs if is_within else [min(max(p, 0.0), 1.0) for p in probs]


def content_key(values, source):
    """Return the key of a row's text or embedding; None for features, of which no rule is said."""
    if "features" in source:
        return None
    text = unicodedata.normalize("NFC", values[source["text"]] if "text" in source else "")
    numbers = b""
    if "embedding" in source:
        numbers = (np.asarray(values[source["embedding"]], np.float32) + np.float32(0)).tobytes()
    return hashlib.sha256(numbers + text.encode()).digest()


def deal(found, crossval):
    """Give the rows that can be used, whose keys are known, their shards and folds."""
    rows, seed = found.accepted, crossval.get("seed", 0)
    found.n_shards = max(1, math.ceil(len(rows) / crossval.get("rows_per_shard", 50_000)))
    index = {name: i for i, name in enumerate(found.classes)}
    labels = defaultdict(list)
    for row in rows:
        row.shard = xxhash64(row.key, seed) % found.n_shards
        labels[row.shard, row.key].append(index[row.label])
    strata = defaultdict(list)  # equal texts are of one, the smallest of their labels
    for (shard, key), of_text in labels.items():
        strata[shard, min(of_text)].append((xxhash64(key, seed + 1), key))
    folds = {}
    for (shard, stratum), keys in strata.items():
        for rank, (_, key) in enumerate(sorted(keys)):
            folds[shard, key] = (rank + stratum) % crossval.get("folds", 10)
    for row in rows:
        row.fold = folds[row.shard, row.key]

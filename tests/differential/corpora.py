"""Random corpora and configurations, the same for a seed: what a differential test runs."""

import datetime as dt
import decimal
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

SPLITS = (1, 3, 7)  # files that the input is split into, and partitions of a run

_WORDS = [
    "account",
    "address",
    "amount",
    "answer",
    "balance",
    "bank",
    "bill",
    "book",
    "box",
    "buy",
    "call",
    "cancel",
    "card",
    "change",
    "charge",
    "check",
    "city",
    "close",
    "code",
    "copy",
    "cost",
    "courier",
    "day",
    "delay",
    "deliver",
    "deposit",
    "door",
    "email",
    "error",
    "fee",
    "file",
    "form",
    "fraud",
    "gift",
    "help",
    "invoice",
    "item",
    "key",
    "late",
    "letter",
    "limit",
    "link",
    "lock",
    "login",
    "lost",
    "mail",
    "money",
    "month",
    "name",
    "number",
    "offer",
    "open",
    "order",
    "pack",
    "paid",
    "parcel",
    "password",
    "pay",
    "phone",
    "pin",
    "plan",
    "price",
    "print",
    "proof",
    "question",
    "rate",
    "receipt",
    "refund",
    "reset",
    "return",
    "route",
    "safe",
    "sale",
    "ship",
    "shop",
    "sign",
    "stock",
    "store",
    "tax",
    "ticket",
    "track",
    "transfer",
    "travel",
    "update",
    "user",
    "visit",
    "voucher",
    "wait",
    "wire",
    "year",
    "zone",
]
_ODD = (
    "naïve café",
    "cafe\u0301",
    "Straße",
    "İstanbul",
    "ﬁle",
    "ΣΑΣ σας",
    "日本語 テキスト",
    "🙂👍🏽",
    "👨‍👩‍👧",
    "שלום",
    "مرحبا",
    "a\u00a0b",
    "x\u200by",
    "tab\there",
    "line\nbreak",
    'a "quote"',
    "back\\slash",
    "50 % off",
    "<b>bold</b>",
    "\ufffd",
    "\u2028",
    "\x07bell",
    "١٢٣",
    "e\u0301e\u0301",
    "{curly}",
    "$1.00",
    "Ａｂｃ",
    "ǅ",
    "\U0001f1e9\U0001f1ea",
    "null",
    "NaN",
    "True",
)
_BLANK = ("", " ", "\t\n", "\u00a0", "\u200b", "\u3000 ", "\x00")
_PERSONAL = (
    "write to jane.doe@example.org",
    "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111",
    "from 192.168.0.17",
    "call +49 30 901820",
    "2001:db8::1",
)
_DOUBLES = (0.0, -0.0, 1e-7, 1e16, 1e21, 1.5e-10, 123456789.125, 0.1, -2.5, 1e7, 1e-3, 9999999.0)
_UTC_START = dt.datetime(2019, 12, 30, tzinfo=dt.UTC)


def write_case(folder, seed):
    """Write a random case: ``config.yaml`` and the input in each of `SPLITS`."""
    random = np.random.default_rng(seed)
    n_classes = int(np.exp(random.uniform(np.log(2), np.log(51))))
    n_rows = max(int(np.exp(random.uniform(np.log(20), np.log(3001)))), 3 * n_classes)
    table, names = _table(random, min(n_rows, 3000), n_classes)
    config = _config(random, folder, names, table)
    table = _with_bad_lists(np.random.default_rng([seed, 2]), table)
    folder.mkdir(parents=True)
    _vary(np.random.default_rng([seed, 3]), folder, table, config)
    write_input(folder, table, seed)
    _compare_with_reference(np.random.default_rng([seed, 1]), folder, table, config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))


def _with_bad_lists(random, table):
    """Return the table with a few vectors or probabilities that cannot be used, or only just."""
    name = next((name for name in ("vector", "probs") if name in table.column_names), None)
    if name is None:
        return table
    values = table[name].to_pylist()
    for at in np.flatnonzero(random.random(len(table)) < 0.03).tolist():
        if values[at] is not None:
            values[at] = _bad_list(random, values[at])
    column = pa.array(values, table.schema.field(name).type)
    return table.set_column(table.column_names.index(name), name, column)


def _bad_list(random, numbers):
    """Return numbers of which one is wrong, or off by as little as in published probabilities."""
    some = int(random.integers(len(numbers)))
    before, number, after = numbers[:some], numbers[some], numbers[some + 1 :]
    others = (None, float("nan"), float("inf"), number - 1.5)
    near = [number + by for by in (2e-5, 5e-4, -5e-4, 9e-3)]
    lists = [numbers[:-1], [*numbers, 0.0], []]
    lists += [[*before, other, *after] for other in (*others, near[random.integers(len(near))])]
    return lists[random.integers(len(lists))]


def _vary(random, folder, table, config):
    """Set further keys, have most runs make few checks, and some follow a person's decisions."""
    checks, clean, labels = config["checks"], config["clean"], config["label_issues"]
    if random.random() < 0.75:  # the others take most of the time
        for name in set(checks) - {"nulls", "imbalance"}:
            checks[name] = {} if name in ("neighbors", "drift") else None
            clean.pop(name, None)
    if random.random() < 0.5:
        config["crossval"]["repeats"] = 1
    if random.random() < 0.3:
        clean["label_issues"] = "safe"
        clean.pop("fix_above", None)
    clean["max_class_fraction"] = float(random.choice([0.3, 0.5, 0.9, 0.9, 1.0]))
    clean["else"] = str(random.choice(["drop", "review", "keep"]))
    if labels.get("filter_by") in ("prune_by_noise_rate", "prune_by_class", "both"):
        labels["frac_noise"] = float(random.choice([0.4, 0.75, 1.0, 1.0]))
        labels["min_examples_per_class"] = int(random.choice([0, 1, 1, 5, 10]))
    if "text" in config["input"] and random.random() < 0.5:
        config["input"]["max_text_length"] = int(random.choice([100, 130, 160]))
    if "Id" in table.column_names and random.random() < 0.7:
        clean["decisions"] = str(folder / "decisions.csv")
        _write_decisions(random, folder, table)


def _write_decisions(random, folder, table):
    """Write what a person has decided of a few rows, among them some that are in quarantine."""
    ids, labels = (table[name].to_pylist() for name in ("Id", "label"))
    usual = Counter(name for name in labels if str(name or "").strip("\u00a0 "))
    names = [name for name, n in usual.most_common() if n > 9] or [usual.most_common()[0][0]]
    lines = ["row_id,decision,label,by"]
    chosen = random.choice(len(ids), min(len(ids), 3 + len(ids) // 25), replace=False)
    for at in chosen.tolist():
        by = ("", "Ann", "Bo Éd")[random.integers(3)]
        kind = random.integers(4)
        label = names[random.integers(len(names))] if kind > 1 else ""
        decision = ("keep", "drop", "fix", "")[kind]
        lines.append(f"{ids[at]},{decision},{label},{by}")
    (folder / "decisions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _compare_with_reference(random, folder, table, config):
    """Have the rows of half the cases without drift by a column compared with some of themselves.

    One label is rarer there.
    """
    if config["checks"]["drift"] or random.random() < 0.5:
        return
    labels = np.array(table["label"].to_pylist(), object)
    is_rare = labels == labels[0]
    chosen = random.random(len(table)) < np.where(is_rare, 0.1, 0.7)
    (folder / "reference").mkdir()
    pq.write_table(table.filter(pa.array(chosen)), folder / "reference" / "part-0.parquet")
    config["checks"]["drift"] = {"reference": str(folder / "reference"), "format": "parquet"}


def write_input(folder, table, seed=0):
    """Write a table once in each of `SPLITS`, each time in another order."""
    random = np.random.default_rng(seed)
    for n in SPLITS:
        path = folder / f"input-{n}"
        path.mkdir(parents=True)
        shuffled = table if n == 1 else table.take(random.permutation(len(table)))
        bounds = np.linspace(0, len(table), n + 1).astype(int)
        for i, (start, end) in enumerate(pairwise(bounds)):
            pq.write_table(shuffled.slice(start, end - start), path / f"part-{i}.parquet")


def _table(random, n_rows, n_classes):
    labels = _labels(random, n_rows, n_classes)
    given = np.where(random.random(n_rows) < 0.12, random.permutation(labels), labels)
    texts = _texts(random, labels)
    columns = {"text": pa.array(texts, pa.string()), "label": _names(random, given)}
    columns |= _others(random, n_rows)
    if random.random() < 0.5:  # whole rows again
        again = random.integers(0, n_rows, max(1, n_rows // 30))
    else:
        again = np.zeros(0, int)
    table = pa.table(columns)
    table = pa.concat_tables([table, table.take(again)])
    kind = random.choice(["none", "long", "string"])
    if kind != "none":
        numbers = random.permutation(len(table)) - 5
        ids = numbers if kind == "long" else [f"r/{i} é" for i in numbers]
        table = table.append_column("Id", pa.array(ids))
    own = random.choice(["no", "no", "no", "pred_probs", "embedding", "features"])
    if own == "embedding":
        centres = random.normal(size=(n_classes, 12)).astype(np.float32)
        rows = np.arange(len(table)) % n_rows
        vectors = centres[labels[rows]] + random.normal(size=(len(table), 12)) * 0.7
        vectors[random.random(len(table)) < 0.03] = vectors[0]
        values = [None if random.random() < 0.01 else list(map(float, v)) for v in vectors]
        table = table.append_column("vector", pa.array(values, pa.list_(pa.float32())))
    names = {
        "own": own,
        "ids": kind,
        "classes": sorted(set(table["label"].drop_null().to_pylist())),
    }
    if own == "pred_probs":
        table = table.append_column("probs", _probs(random, table, names["classes"]))
    return table, names


def _labels(random, n_rows, n_classes):
    """Return classes of which some are rare, and each has a row."""
    shares = random.dirichlet(np.full(n_classes, 1.5))
    labels = random.choice(n_classes, n_rows, p=shares)
    labels[:n_classes] = np.arange(n_classes)
    return random.permutation(labels)


def _names(random, given):
    """Return the labels as text or whole numbers, a few missing."""
    if random.random() < 0.3:
        kind = random.choice([pa.int8(), pa.int32(), pa.int64()])
        return pa.array([None if random.random() < 0.01 else int(i) - 1 for i in given], kind)
    heads = ("ask ", "Ünit-", "z/", "Z", "7")
    head = heads[random.integers(len(heads))]
    blank = (None, "", " \u00a0")
    return pa.array(
        [blank[random.integers(3)] if random.random() < 0.015 else f"{head}{i:02d}" for i in given],
        pa.string(),
    )


def _texts(random, labels):
    """Return texts that tell of their class, and every kind of bad, odd and repeated ones."""
    own = [random.choice(_WORDS, 6) for _ in range(labels.max() + 1)]
    texts = []
    for label in labels:
        n_words = int(random.integers(2, 25))
        words = [
            str(random.choice(own[label] if random.random() < 0.55 else _WORDS))
            for _ in range(n_words)
        ]
        kind = random.random()
        if kind < 0.10:
            words.insert(int(random.integers(n_words)), _ODD[random.integers(len(_ODD))])
        elif kind < 0.13:
            words.append(_PERSONAL[random.integers(len(_PERSONAL))])
        elif kind < 0.14:
            words = words[:2] * 40
        text = " ".join(words)
        if kind > 0.99:
            text = _BLANK[random.integers(len(_BLANK))]
        elif kind > 0.98:
            text = None
        elif texts and kind > 0.94:
            text = texts[random.integers(len(texts))]
            if text and kind > 0.96:  # nearly the same
                text = random.choice([text + "!", text.upper(), unicodedata.normalize("NFD", text)])
        texts.append(text if text is None else str(text))
    return texts


def _others(random, n_rows):
    """Return further columns, of any type that a table has, each with some values missing."""

    def column(kind, draw, missing=0.05):
        return pa.array(
            [None if random.random() < missing else draw() for _ in range(n_rows)], kind
        )

    def pick(values):
        return values[random.integers(len(values))]

    def moment():
        return _UTC_START + dt.timedelta(microseconds=int(random.integers(0, 2 * 10**14)))

    def whole():
        return int(random.integers(-(10**12), 10**12))

    def point():
        return {"a": pick([None, 1, -2]), "B b": pick([None, [], ["x", None, "é"]])}

    def real():
        return (
            pick(_DOUBLES)
            if random.random() < 0.5
            else float(random.normal() * 10.0 ** pick([-9, 0, 3, 12]))
        )

    makers = {
        "when": lambda: column(pa.timestamp("us", "UTC"), moment),
        "local": lambda: column(pa.timestamp("us"), lambda: moment().replace(tzinfo=None)),
        "day": lambda: column(pa.date32(), lambda: moment().date()),
        "amount": lambda: column(
            pa.decimal128(12, 3), lambda: decimal.Decimal(whole() % 10**9 - 10**8).scaleb(-3)
        ),
        "real": lambda: column(pa.float64(), real),
        "short": lambda: column(pa.float32(), real),
        "odd real": lambda: column(
            pa.float64(), lambda: pick([float("nan"), float("inf"), -float("inf"), -0.0, 1.0])
        ),
        "n": lambda: column(pa.int64(), whole),
        "tiny": lambda: column(pa.int16(), lambda: whole() % 100),
        "flag": lambda: column(pa.bool_(), lambda: bool(whole() % 2)),
        "point": lambda: column(pa.struct({"a": pa.int32(), "B b": pa.list_(pa.string())}), point),
        "counts": lambda: column(
            pa.map_(pa.string(), pa.int32()),
            lambda: pick([[], [("k", 1)], [("b", 2), ("a", None)]]),
        ),
        "raw": lambda: column(pa.binary(), lambda: pick([b"", b"\x00\xff", b"plain"])),
        "list": lambda: column(
            pa.list_(pa.float64()), lambda: pick([[], [1e-7, None], [-0.0, 2.0]])
        ),
        "note.x": lambda: column(pa.string(), lambda: pick(_ODD)),
    }
    chosen = random.choice(sorted(makers), int(random.integers(1, 7)), replace=False)
    # A group, a date and a position: what the checks ask for.
    always = {
        "source": column(pa.string(), lambda: pick(["web", "Phone", "é-mail"])),
        "at": column(pa.timestamp("us", "UTC"), moment),
        "place": column(pa.int64(), whole, missing=0),
        "num": column(pa.float64(), real),
    }
    return always | {name: makers[name]() for name in map(str, chosen)}


def _probs(random, table, classes):
    """Return probabilities, of a model that is mostly right."""
    index = {name: i for i, name in enumerate(classes)}
    rows = []
    for label in table["label"].to_pylist():
        weights = random.dirichlet(np.full(len(classes), 0.4))
        if label is not None and random.random() < 0.8:
            weights[index[label]] += 1
        rows.append(None if random.random() < 0.01 else list(weights / weights.sum()))
    return pa.array(rows, pa.list_(pa.float64()))


def _checks(random, own, *, with_text):
    def pick(*values):
        return values[random.integers(len(values))]

    def maybe(value, share=0.6):
        return value if random.random() < share else None

    neighbors = own != "pred_probs"
    presets = ["basic", "gopher_quality", "gopher_repetition", "c4"]
    return {
        "neighbors": {"k": int(random.integers(3, 11))},
        "outliers": {"by": pick("auto", "pred_probs")} if random.random() < 0.9 else None,
        "near_duplicates": (
            maybe({"by": "text", "shingle": pick("character", "word")}, 0.9) if with_text else None
        ),
        "imbalance": maybe({"threshold": 0.3}, 0.9),
        "nulls": maybe({"columns": None}),
        "non_iid": maybe({"by": pick("place", "at")}) if neighbors else None,
        "groups": maybe({"columns": ["source"], "clusters": neighbors, "threshold": 0.9}),
        "valuation": maybe({}) if neighbors else None,
        "text": maybe({"presets": presets}, 0.8) if with_text else None,
        "pii": maybe({}) if with_text else None,
        "drift": {"by": pick("source", "at")} if random.random() < 0.6 else {},
    }


def _config(random, folder, names, table):  # noqa: C901 - one key after another
    def pick(*values):
        return values[random.integers(len(values))]

    source = {"path": str(folder / "input-1"), "format": "parquet", "label": "label"}
    own = names["own"]
    with_text = own not in ("features",) and not (own == "embedding" and random.random() < 0.5)
    if with_text:
        source["text"] = "text"
    if names["ids"] != "none":
        source["id"] = "Id"
    if own == "pred_probs":
        is_usual = [
            name if isinstance(name, int) else name.strip("\u00a0 ") for name in names["classes"]
        ]
        source |= {"pred_probs": "probs", "classes": names["classes"], "max_bad_fraction": 0.5}
        if "" in is_usual:  # a blank name is no class
            source["classes"] = [
                n if str(n).strip("\u00a0 ") else f"none{i}" for i, n in enumerate(names["classes"])
            ]
    if own == "embedding":
        source |= {"embedding": "vector", "max_bad_fraction": 0.5}
    if own == "features":
        source |= {"features": ["num", "source", "place"], "max_bad_fraction": 0.5}
    checks = _checks(random, own, with_text=with_text)
    actions = ("drop", "review", "keep")
    clean = {
        name: pick(*actions)
        for name in (
            "outliers",
            "imbalance",
            "nulls",
            "non_iid",
            "groups",
            "valuation",
            "near_duplicates",
            "exact_duplicates",
            "text",
        )
        if checks.get(name, True) is not None
    }
    clean |= {"label_issues": pick("drop", "fix", "review", "keep"), "max_drop_fraction": 1.0}
    if checks["pii"] is not None:
        clean["pii"] = pick(*actions, "redact")
    if clean["label_issues"] == "fix" and random.random() < 0.5:
        clean["fix_above"] = 0.5
    labels = {"method": pick("confident_learning", "posterior")}
    if labels["method"] == "confident_learning":
        labels |= {
            "filter_by": pick(
                "prune_by_noise_rate",
                "prune_by_class",
                "both",
                "confident_learning",
                "predicted_neq_given",
                "low_self_confidence",
                "low_normalized_margin",
            ),
            "rank_by": pick("self_confidence", "normalized_margin", "confidence_weighted_entropy"),
        }
        if labels["rank_by"] != "confidence_weighted_entropy":
            labels["adjust_pred_probs"] = bool(random.random() < 0.3)
    return {
        "input": source,
        "workspace": str(folder / "unused"),
        "crossval": {
            "mode": pick("shard", "shard", "global"),
            "rows_per_shard": pick(50_000, max(50, len(table) // 3)),
            "folds": pick(3, 5, 10),
            "seed": int(random.integers(5)),
        },
        "label_issues": labels,
        "checks": checks,
        "clean": clean,
        "output": {"soft_labels": bool(random.random() < 0.4)},
    }


if __name__ == "__main__":
    import sys

    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        write_case(Path(sys.argv[1]) / f"seed-{number:03d}", number)

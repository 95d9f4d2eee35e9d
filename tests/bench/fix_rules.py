"""Which label issues to fix, and with what: what models gain by each rule, errors being known.

    .venv/bin/python tests/bench/fix_rules.py \
        ../shared/data/politeness/train.csv:prompt:completion \
        --fixed ../shared/data/politeness/train_fixed.csv \
        --holdout ../shared/data/politeness/test.csv --set 'embedding.layers=[2, 3, 4]' \
        --set embedding.provider=sentence-transformers
    .venv/bin/python tests/bench/fix_rules.py ../shared/data/banking77/train.csv:text:category \
        --plant nearest --holdout ../shared/data/banking77/test.csv -C 10 \
        --set embedding.provider=sentence-transformers

Every rule's labels train the built-in classifier, classes weighted equally, once on all rows and
five times on four fifths of them. Recovered: of what the errors cost in accuracy, in the mean of
the five. Fixed right and harmed: of all errors, and of all right labels.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from posterior import planted

import lakewinnow
from lakewinnow.classifiers.base import TrainingRows
from lakewinnow.classifiers.logistic import Logistic
from lakewinnow.config.file import load_config
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.core.text import key
from lakewinnow.embedding import registry
from lakewinnow.spark.sessions.session import running

N_PARTS = 5


def main() -> None:
    """Find the issues, train by every rule, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="CSV:TEXT:LABEL")
    parser.add_argument("--holdout", required=True, help="CSV of other rows, with right labels")
    parser.add_argument("--fixed", help="CSV of the same rows with the right labels")
    parser.add_argument("--plant", choices=["uniform", "nearest"])
    parser.add_argument("--share", type=float, default=0.2, help="of rows to plant errors in")
    parser.add_argument("-C", type=float, default=1.0, help="of the models that are compared")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE")
    options = parser.parse_args()
    path, text, label = options.table.split(":")
    given, holdout = (pd.read_csv(name, dtype=str) for name in (path, options.holdout))
    true = given[label].copy()
    if options.fixed:
        true = pd.read_csv(options.fixed, dtype=str)[label]
    elif options.plant:
        given[label] = planted(given[text], true, options.plant, options.share)
    ids = [f"{i:06}" for i in range(len(given))]
    with tempfile.TemporaryDirectory() as name, running() as spark:
        folder = Path(name)
        given.assign(id=ids).to_csv(folder / "rows.csv", index=False)
        raw = {
            "input": {"path": str(folder / "rows.csv"), "id": "id", "text": text, "label": label},
            "workspace": str(folder / "out"),
            "embedding": {"store": str(folder / "store")},
            "evaluate": {"holdout": options.holdout},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
        config = load_config(folder / "config.yaml", overrides=options.set)
        lakewinnow.run(config, spark, until="holdout")
        found = pd.read_parquet(folder / "out" / "checks" / "label_issues").set_index("row_id")
        issues, vectors = found.loc[ids], vectors_of(config.embedding)
    texts, asked = (
        np.stack([vectors[key(of)] for of in table[text]]) for table in (given, holdout)
    )
    classes = sorted(set(true))
    index = {name: k for k, name in enumerate(classes)}
    wanted = holdout[label].map(index).to_numpy()
    print("| labels | rows | fixed right | harmed | accuracy, all rows | four fifths | recovered |")
    print("|---|---|---|---|---|---|---|")
    means: dict[str, float] = {}
    for rule, labels in rules(issues, true.to_numpy()).items():
        kept = labels != ""
        names = pd.Series(labels[kept]).map(index).to_numpy()
        parts = np.random.default_rng(0).integers(N_PARTS, size=len(labels))[kept]
        rows = TrainingRows(texts[kept], names, parts, len(classes))
        models, _ = Logistic(options.C, "balanced", 500, standardize="auto").fit_folds(
            rows, [*range(N_PARTS), N_PARTS]
        )
        right = [(models.predict(asked, p).argmax(1) == wanted).mean() for p in range(N_PARTS + 1)]
        means[rule] = float(np.mean(right[:N_PARTS]))
        is_error = (issues["given_label"] != true.to_numpy()).to_numpy()
        is_right, lost = labels == true.to_numpy(), means["right"] - means.get("as given", 0.0)
        back = means[rule] - means.get("as given", 0.0)
        cells = [
            f"{kept.sum():,}",
            f"{is_right[is_error].mean():.3f}" if is_error.any() else "–",
            f"{(kept & ~is_right)[~is_error].mean():.3f}",
            f"{100 * right[N_PARTS]:.1f}",
            f"{100 * means[rule]:.1f}",
            f"{back / lost:.0%}" if "as given" in means and lost > 0.001 else "–",
        ]
        print(f"| {rule} | {' | '.join(cells)} |", flush=True)


def vectors_of(config: EmbeddingConfig) -> dict[bytes, np.ndarray]:
    """Return the vectors of a store by text key."""
    filed = [(name, "==", value) for name, value in vars(registry.identify(config)).items()]
    rows = pd.read_parquet(config.store, filters=filed)
    return dict(zip(rows["text_key"], rows["vector"], strict=True))


def rules(issues: pd.DataFrame, true: np.ndarray) -> dict[str, np.ndarray]:
    """Return the labels by each rule; "" for a row that is dropped."""
    given, suggested, predicted = (
        issues[name].to_numpy(str) for name in ("given_label", "suggested_label", "predicted_label")
    )
    flagged, doubted = issues["is_label_issue"].to_numpy(), suggested != given
    return {
        "right": true.astype(str),
        "as given": given,
        "fixed: flagged, and another is suggested": np.where(flagged & doubted, suggested, given),
        "fixed: another is suggested": np.where(doubted, suggested, given),
        "fixed: flagged, with the predicted": np.where(flagged, predicted, given),
        "fixed: either": np.where(doubted, suggested, np.where(flagged, predicted, given)),
        "fixed, the other flagged dropped": np.where(
            doubted, suggested, np.where(flagged, "", given)
        ),
        "dropped: flagged": np.where(flagged, "", given),
        "dropped: another is suggested": np.where(doubted, "", given),
    }


if __name__ == "__main__":
    main()

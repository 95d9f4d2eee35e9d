"""How well each method of label_issues finds and mends label errors that are known.

    .venv/bin/python tests/bench/posterior.py \
        ../shared/data/politeness/train.csv:prompt:completion \
        --fixed ../shared/data/politeness/train_fixed.csv
    .venv/bin/python tests/bench/posterior.py ../shared/data/banking77/train.csv:text:category \
        --plant uniform --share 0.2

`--fixed` has the same rows with the right labels; `--plant` makes errors, of any other class or of
the class whose mean vector is the nearest. Errors fixed right are of all errors; right labels
harmed, of all right labels. `--set` is a key of the configuration, as for the command.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

import lakewinnow
from lakewinnow.configfile import load_config
from lakewinnow.spark.session import running

METHODS = ("confident_learning", "posterior")


def main() -> None:
    """Run both methods and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="CSV:TEXT:LABEL")
    parser.add_argument("--fixed", help="CSV of the same rows with the right labels")
    parser.add_argument("--plant", choices=["uniform", "nearest"])
    parser.add_argument("--share", type=float, default=0.2, help="of rows to plant errors in")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE")
    options = parser.parse_args()
    path, text, label = options.table.split(":")
    given = pd.read_csv(path, dtype=str)
    if options.fixed:
        true = pd.read_csv(options.fixed, dtype=str)[label]
    else:
        true = given[label].copy()
        given[label] = planted(given[text], true, options.plant, options.share)
    ids = [f"{i:06}" for i in range(len(given))]
    with tempfile.TemporaryDirectory() as name, running() as spark:
        folder = Path(name)
        given.assign(id=ids).to_csv(folder / "rows.csv", index=False)
        raw = {
            "input": {"path": str(folder / "rows.csv"), "id": "id", "text": text, "label": label},
            "workspace": str(folder / "out"),
            "embedding": {"store": str(folder / "store")},
            "checks": {"exact_duplicates": None},
            "clean": {"label_issues": "fix"},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
        right = pd.Series(true.to_numpy(), index=ids)
        print("| method | temperature | AUROC | flagged | precision | recall | fixed | harmed |")
        print("|---|---|---|---|---|---|---|---|")
        for method in METHODS:
            chosen = [f"label_issues.method={method}"]
            config = load_config(folder / "config.yaml", overrides=[*options.set, *chosen])
            lakewinnow.run(config, spark, until="decide")
            issues = pd.read_parquet(folder / "out" / "issues").set_index("row_id")
            model = lakewinnow.lake.noise_models.read(str(folder / "out/noise_model.json"), "model")
            cells = row(issues, right[issues.index], model.model.calibration.temperature)
            print(f"| {method} | {' | '.join(cells)} |", flush=True)


def planted(texts: pd.Series, true: pd.Series, how: str, share: float) -> np.ndarray:
    """Return labels, a share of which is wrong."""
    codes, classes = pd.factorize(true, sort=True)
    rng = np.random.default_rng(0)
    wrong = rng.permutation(len(codes))[: int(share * len(codes))]
    if how == "uniform":
        other = (codes[wrong] + rng.integers(1, len(classes), len(wrong))) % len(classes)
    else:
        vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
        means = np.vstack(
            [np.asarray(vectors[codes == k].mean(axis=0)) for k in range(len(classes))]
        )
        near = means @ means.T / np.linalg.norm(means, axis=1)
        np.fill_diagonal(near, -np.inf)
        other = near.argmax(axis=1)[codes[wrong]]
    codes[wrong] = other
    return np.asarray(classes)[codes]


def row(issues: pd.DataFrame, right: pd.Series, temperature: float) -> list[str]:
    """Return the figures of a method."""
    is_error = (issues["given_label"] != right).to_numpy()
    flagged = issues["is_label_issue"].to_numpy()
    label = issues["new_label"].fillna(issues["given_label"])
    is_right = (label == right).to_numpy()
    return [
        f"{temperature:.3f}",
        f"{roc_auc_score(is_error, -issues['label_score']):.3f}",
        f"{flagged.sum():,}",
        f"{is_error[flagged].mean():.3f}",
        f"{flagged[is_error].mean():.3f}",
        f"{is_right[is_error].mean():.3f}",
        f"{(~is_right)[~is_error].mean():.3f}",
    ]


if __name__ == "__main__":
    main()

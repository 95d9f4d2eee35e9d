"""How well each method of label_issues finds and mends label errors that are known.

    .venv/bin/python tests/bench/posterior.py \
        ../shared/data/politeness/train.csv:prompt:completion \
        --fixed ../shared/data/politeness/train_fixed.csv \
        --holdout ../shared/data/politeness/test.csv
    .venv/bin/python tests/bench/posterior.py ../shared/data/banking77/train.csv:text:category \
        --plant uniform --share 0.2 --holdout ../shared/data/banking77/test.csv

`--fixed` has the same rows with the right labels; `--plant` makes errors, of any other class or of
the class whose mean vector is the nearest; without either the labels are taken to be right. Errors
fixed right are of all errors; right labels harmed, of all right labels. `--holdout` has other rows
with right labels: models of the labels as given, without issues, fixed, soft and right are asked
about them, and `clean.label_issues: auto` chooses by one half and is compared on the other. `--set`
is a key of the configuration, as for the command: embedding.store, to embed once.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

import lakewinnow
from lakewinnow.config.file import load_config
from lakewinnow.spark.sessions.session import running

METHODS = ("confident_learning", "posterior")
VERSIONS = {  # of the labels, by their names in summary.json
    "as given": "baseline",
    "dropped": "dropped",
    "fixed": "fixed",
    "soft": "soft",
    "right": "ceiling",
}


def main() -> None:
    """Run both methods and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="CSV:TEXT:LABEL")
    parser.add_argument("--fixed", help="CSV of the same rows with the right labels")
    parser.add_argument("--plant", choices=["uniform", "nearest"])
    parser.add_argument("--share", type=float, default=0.2, help="of rows to plant errors in")
    parser.add_argument("--holdout", help="CSV of other rows, with right labels")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE")
    options = parser.parse_args()
    path, text, label = options.table.split(":")
    given = pd.read_csv(path, dtype=str)
    true = given[label].copy()
    if options.fixed:
        true = pd.read_csv(options.fixed, dtype=str)[label]
    elif options.plant:
        given[label] = planted(given[text], true, options.plant, options.share)
    ids = [f"{i:06}" for i in range(len(given))]
    with tempfile.TemporaryDirectory() as name, running() as spark:
        folder = Path(name)
        given.assign(id=ids).to_csv(folder / "rows.csv", index=False)
        given.assign(id=ids, **{label: true}).to_csv(folder / "right.csv", index=False)
        raw = {
            "input": {"path": str(folder / "rows.csv"), "id": "id", "text": text, "label": label},
            "workspace": str(folder / "out"),
            "embedding": {"store": str(folder / "store")},
            "checks": {"exact_duplicates": None},
            "output": {"mode": "overwrite"},
            "evaluate": {"reference": str(folder / "right.csv")},
        }
        if options.holdout:
            raw["evaluate"]["holdout"] = options.holdout
        (folder / "config.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
        right = pd.Series(true.to_numpy(), index=ids)
        print("| method | temperature | AUROC | flagged | precision | recall | fixed | harmed |")
        print("|---|---|---|---|---|---|---|---|")
        compared, chosen = {}, {}
        for method in METHODS:

            def run(action: str, until: str, method: str = method) -> Mapping[str, Any]:
                keys = [f"label_issues.method={method}", f"clean.label_issues={action}"]
                config = load_config(folder / "config.yaml", overrides=[*options.set, *keys])
                return lakewinnow.run(config, spark, until=until).summary

            compared[method] = run("fix", "evaluate" if options.holdout else "decide")
            issues = pd.read_parquet(folder / "out" / "issues").set_index("row_id")
            model = lakewinnow.lake.inputs.noise_models.read(
                str(folder / "out/noise_model.json"), "model"
            )
            cells = row(issues, right[issues.index], model.model.calibration.temperature)
            print(f"| {method} | {' | '.join(cells)} |", flush=True)
            if options.holdout:
                chosen[method] = run("auto", "evaluate")
        if options.holdout:
            print_models(compared, chosen)


def print_models(
    compared: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Mapping[str, Any]]
) -> None:
    """Print what models of each version come to, in %, and of what errors cost how much is back."""
    print(
        f"\n| method | {' | '.join(VERSIONS)} | recovered by dropped, fixed | auto | to as given |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for method, summary in compared.items():
        accuracy = {
            name: 100 * summary["evaluate"][of]["accuracy"] for name, of in VERSIONS.items()
        }
        lost = accuracy["right"] - accuracy["as given"]
        back = [accuracy[name] - accuracy["as given"] for name in ("dropped", "fixed")]
        recovered = ", ".join(f"{of / lost:.0%}" if lost > 0.1 else "–" for of in back)
        cells = [f"{value:.1f}" for value in accuracy.values()]
        to = chosen[method]["evaluate"]["clean"]["to_baseline"]
        low, high = (100 * to[f"accuracy_{end}"] for end in ("low", "high"))
        action = chosen[method]["choice"]["label_issues"]
        change = f"{100 * to['accuracy']:+.1f} [{low:+.1f}, {high:+.1f}]"
        print(f"| {method} | {' | '.join(cells)} | {recovered} | {action} | {change} |")


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
        f"{roc_auc_score(is_error, -issues['label_score']):.3f}" if is_error.any() else "–",
        f"{flagged.sum():,}",
        f"{is_error[flagged].mean():.3f}",
        f"{flagged[is_error].mean():.3f}" if is_error.any() else "–",
        f"{is_right[is_error].mean():.3f}" if is_error.any() else "–",
        f"{(~is_right)[~is_error].mean():.3f}",
    ]


if __name__ == "__main__":
    main()

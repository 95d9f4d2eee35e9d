"""What is promised of fixes and drops, and what is true, over many random samples of checked rows.

    .venv/bin/python tests/bench/promises.py \
        ../shared/data/politeness/train.csv:prompt:completion \
        --fixed ../shared/data/politeness/train_fixed.csv \
        --set embedding.provider=sentence-transformers --set 'embedding.layers=[2, 3, 4]'
    .venv/bin/python tests/bench/promises.py ../shared/data/crowd/nyt_train.csv:text:label \
        --fixed ../shared/data/crowd/nyt_train_fixed.csv

    .venv/bin/python tests/bench/promises.py ../shared/data/banking77/train.csv:text:category \
        --plant nearest

One run finds the label issues; each draw then takes some rows as checked, a random share of all
rows or so many label issues, as `review draw` does, chooses the cut that they show
(`core.evaluation.promise`) and asks the reference about the others.

Could be: rows that might be fixed (dropped), and how many of these wrongly; at best: rows up to the
furthest cut that keeps the limit, which only the reference knows. Acts: draws in which something is
fixed (dropped); rows, wrong: in the mean of these. Broken: draws, of all, in which more is wrong
than promised; 10% may be.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from posterior import planted

import lakewinnow
from lakewinnow.config.file import load_config
from lakewinnow.core.evaluation.promise import promised_cut
from lakewinnow.core.evaluation.strata import SCORE_EDGES, score_bins
from lakewinnow.spark.sessions.session import running

CONFIDENCE = 0.9
HEADER = (
    "",
    "limit",
    "checked",
    "could be",
    "wrong, %",
    "acts, %",
    "rows",
    "wrong, %",
    "broken, %",
)


def main() -> None:
    """Find the issues, draw, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="CSV:TEXT:LABEL")
    parser.add_argument("--fixed", help="CSV of the same rows with the right labels")
    parser.add_argument("--plant", choices=["uniform", "nearest"], help="errors in a tenth of them")
    parser.add_argument(
        "--checked",
        type=float,
        action="append",
        help="a share of all rows, or so many label issues",
    )
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE")
    options = parser.parse_args()
    path, text, label = options.table.split(":")
    given = pd.read_csv(path, dtype=str)
    right = pd.read_csv(options.fixed, dtype=str) if options.fixed else given.copy()
    if options.plant:
        given[label] = planted(given[text], right[label], options.plant, 0.1)
    given["id"] = [f"{i:06}" for i in range(len(given))]
    given["checked"] = right[label]  # which a promise asks for, before there are label issues
    truth = pd.Series(right[label].to_numpy(), given["id"])
    with tempfile.TemporaryDirectory() as folder, running() as spark:
        source = Path(folder) / "rows.csv"
        given.to_csv(source, index=False)
        raw = {
            "input": {"path": str(source), "text": text, "label": label, "id": "id"},
            "workspace": f"{folder}/workspace",
            "label_issues": {"method": "posterior"},
            "clean": {"label_issues": "fix", "fix_at_most_wrong": 0.1, "checked_label": "checked"},
        }
        (Path(folder) / "config.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
        config = load_config(Path(folder) / "config.yaml", overrides=options.set)
        lakewinnow.run(config, spark, until="label_issues")
        issues = pd.read_parquet(f"{folder}/workspace/checks/label_issues")
    true = truth[issues["row_id"]].to_numpy()
    is_flagged = issues["is_label_issue"].to_numpy(bool)
    fix = issues["suggested_label"].to_numpy()
    kept = issues["given_label"].to_numpy()
    print(("{:>10}" * len(HEADER)).format(*HEADER))
    for what, is_candidate, doubt, is_bad in (
        ("fix", is_flagged & (fix != kept), 1 - issues["suggested_prob"].to_numpy(), fix != true),
        ("drop", is_flagged, issues["given_label_prob"].to_numpy(), kept == true),
    ):
        order = np.argsort(doubt[is_candidate], kind="stable")
        bins = score_bins(doubt[is_candidate][order])
        bad = is_bad[is_candidate][order]
        places = np.flatnonzero(is_candidate)[order]
        for checked in options.checked or [0.1, 150]:
            for most in (0.1, 0.2):
                found = np.array(
                    [
                        drawn(bins, bad, places, len(issues), checked, most, seed)
                        for seed in range(options.draws)
                    ]
                )
                n, wrong = found.T
                up_to = np.arange(1, len(bad) + 1)
                best = np.max(up_to[np.cumsum(bad) <= most * up_to], initial=0)
                acts = n > 0
                of_acts = n[acts].mean(), 100 * (wrong[acts] / n[acts]).mean()
                values = (100 * bad.mean(), best, 100 * acts.mean(), *of_acts)
                print(
                    f"{what:>10}{most:>10}{checked:>10g}{len(bins):>10,}"
                    + "{:>10.1f}{:>10}{:>10.1f}{:>10.0f}{:>10.1f}".format(*values)
                    + f"{100 * (wrong > most * n).mean():>10.1f}"
                )


def drawn(bins, bad, places, n_rows, checked, most, seed):
    """Return how many rows are fixed in a draw, and how many of these wrongly."""
    random = np.random.default_rng(seed)
    is_checked = np.zeros(n_rows, bool)
    if checked < 1:
        is_checked[random.permutation(n_rows)[: round(checked * n_rows)]] = True
    else:
        is_checked[random.permutation(places)[: int(checked)]] = True
    is_checked = is_checked[places]
    counts = (
        np.bincount(bins[of], minlength=len(SCORE_EDGES))
        for of in (~is_checked, is_checked, is_checked & bad)
    )
    cut = promised_cut(*counts, most, CONFIDENCE)
    taken = ~is_checked & (bins <= (-1 if cut is None else cut.bin))
    return int(taken.sum()), int((taken & bad).sum())


if __name__ == "__main__":
    main()

"""The method in a script, as the well-known notebooks have it: what a run is measured against.

    .venv/bin/python tests/bench/plain.py TABLE.parquet --text message --label queue --out FOLDER

pandas, the same static embeddings by model2vec, scikit-learn's cross_val_predict on all cores,
cleanlab's find_label_issues, pandas again. It looks for neither outliers, duplicates, texts that
are alike or damaged nor classes that are too rare, keeps no record and makes no report.

With --again it does everything twice, and says how long the second time took: nothing is imported
or loaded then.
"""

import argparse
import json
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from model2vec import StaticModel
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from tokenizers import Tokenizer


def main() -> None:
    """Parse the arguments, run, print how many issues there are and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--text", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for _ in range(1 + options.again):
        started = time.monotonic()
        found, stages = run(options.table, options.text, options.label, options.out, options.C)
        seconds = time.monotonic() - started
    print(json.dumps({"seconds": seconds, "found": found, "stages": stages}))


def run(
    table: Path, text: str, label: str, out: Path, inverse_strength: float
) -> tuple[int, dict[str, float]]:
    """Write clean.parquet and issues.parquet; return how many issues, and the steps' seconds."""
    times = [time.monotonic()]
    rows = pd.read_parquet(table) if table.suffix == ".parquet" else pd.read_csv(table)
    rows = rows[rows[text].notna() & rows[label].notna()]
    rows = rows[rows[text].str.strip() != ""].reset_index(drop=True)
    labels, classes = pd.factorize(rows[label], sort=True)
    times.append(time.monotonic())
    vectors = model().encode(rows[text].tolist())
    times.append(time.monotonic())
    classifier = LogisticRegression(C=inverse_strength, class_weight="balanced", max_iter=200)
    pred_probs = cross_val_predict(
        classifier, vectors, labels, cv=10, method="predict_proba", n_jobs=-1
    )
    times.append(time.monotonic())
    worst_first = find_label_issues(labels, pred_probs, return_indices_ranked_by="self_confidence")
    times.append(time.monotonic())
    issues = rows.iloc[worst_first].assign(
        predicted_label=np.asarray(classes)[pred_probs[worst_first].argmax(axis=1)],
        label_score=pred_probs[worst_first, labels[worst_first]],
    )
    issues.to_parquet(out / "issues.parquet")
    rows.drop(index=worst_first).to_parquet(out / "clean.parquet")
    times.append(time.monotonic())
    steps = ("ingest", "embed", "crossval", "label_issues", "publish")
    return len(issues), dict(zip(steps, np.diff(times).round(3).tolist(), strict=True))


@cache
def model() -> StaticModel:
    """Load the table and the tokenizer that come with the wheel wordllama."""
    wheel = Path(find_spec("wordllama").origin).parent
    (table,) = load_file(wheel / "weights" / "l2_supercat_256.safetensors").values()
    tokenizer = wheel / "tokenizers" / "l2_supercat_tokenizer_config.json"
    return StaticModel(table, Tokenizer.from_file(str(tokenizer)), normalize=True)


if __name__ == "__main__":
    main()

"""Times a whole run against the same method in one plain Python process, both from a cold start.

    .venv/bin/python tests/bench/end_to_end.py --csv ../shared/data/politeness/train.csv \
        --text prompt --label completion

The plain process is what the well-known notebooks do: pandas, the same static embeddings,
scikit-learn's cross_val_predict, cleanlab's find_label_issues, pandas again. Runs alternate, and
the ratio of medians is what to quote: absolute times depend on the machine and its other work.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAIN = """
import sys
import pandas as pd
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.embedding.local.static import StaticEmbedder

path, text, label, out = sys.argv[1:]
rows = pd.read_csv(path)
classes, labels = pd.factorize(rows[label], sort=True)[::-1]
vectors = StaticEmbedder(EmbeddingConfig()).embed(rows[text].tolist())
model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)
pred_probs = cross_val_predict(model, vectors, labels, cv=10, method="predict_proba", n_jobs=-1)
is_issue = find_label_issues(labels, pred_probs)
rows[~is_issue].to_parquet(out)
"""


def main() -> None:
    """Parse the arguments, run both alternately, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours, plain = [], []
        for run in range(options.runs):
            out = Path(folder, str(run))
            out.mkdir()
            ours.append(seconds(_ours(options, out)))
            plain.append(seconds(_plain(options, out)))
    for name, times in (("lakewinnow run", ours), ("one process", plain)):
        print(f"{name:<16} median {statistics.median(times):6.1f} s  all {times}")
    print(f"ratio {statistics.median(ours) / statistics.median(plain):.2f}")


def seconds(command: list[str]) -> float:
    """Run a command and return its wall time, interpreter and JVM start included."""
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return round(time.monotonic() - started, 1)


def _ours(options: argparse.Namespace, out: Path) -> list[str]:
    settings = {
        "input.path": options.csv,
        "input.text": options.text,
        "input.label": options.label,
        "workspace": str(out / "workspace"),
        "clean.max_drop_fraction": "1",
        "evaluate.holdout": "null",
        "embedding.provider": "static",  # the defaults, which conf/politeness.yaml differs from
        "embedding.layers": "final",
        "label_issues.method": "confident_learning",
        "clean.label_issues": "drop",
    }
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = str(Path(sys.executable).with_name("lakewinnow"))
    root = Path(__file__).parents[2]
    return [command, "run", str(root / "conf" / "politeness.yaml"), *overrides]


def _plain(options: argparse.Namespace, out: Path) -> list[str]:
    arguments = [options.csv, options.text, options.label, str(out / "clean.parquet")]
    return [sys.executable, "-c", PLAIN, *arguments]


if __name__ == "__main__":
    main()

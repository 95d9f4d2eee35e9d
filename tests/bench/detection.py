"""How well planted label errors are found, by mode and number of shards.

    .venv/bin/python tests/bench/detection.py ../shared/data/banking77/train.csv:text:category

A tenth of the rows gets another label, evenly among the other classes. The figures are those of
summary.json; AUROC is of label_score, over all rows.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import lakewinnow
from lakewinnow.config.file import parse_config
from lakewinnow.spark.sessions.session import running


def main() -> None:
    """Plant errors, run every setting, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="CSV:TEXT:LABEL")
    parser.add_argument("--share", type=float, default=0.1, help="of rows to give another label")
    options = parser.parse_args()
    path, text, label = options.table.split(":")
    with tempfile.TemporaryDirectory() as name, running() as spark:
        folder = Path(name)
        n_rows = plant(path, label, options.share, folder)
        print("| mode | learns from | C | accuracy | precision | recall | AUROC | CPU s |")
        print("|---|---|---|---|---|---|---|---|")
        for crossval in settings(n_rows):
            config = parse_config(
                {
                    "input": {"path": f"{folder}/rows.csv", "id": "id", "text": text}
                    | {"label": label},
                    "workspace": f"{folder}/out",
                    "embedding": {"store": f"{folder}/store"},
                    "evaluate": {"reference": f"{folder}/corrected.csv"},
                    "output": {"mode": "overwrite"},
                    "crossval": crossval,
                }
            )
            summary = lakewinnow.run(config, spark).summary
            print(row(crossval, summary["crossval"], summary["detection"]), flush=True)


def plant(path: str, label: str, share: float, folder: Path) -> int:
    """Write the rows with planted errors, and the rows as they were; return how many they are."""
    rows = pd.read_csv(path)
    rows.insert(0, "id", [f"{i:06}" for i in range(len(rows))])
    rows.to_csv(folder / "corrected.csv", index=False)
    rng = np.random.default_rng(0)
    codes, classes = pd.factorize(rows[label], sort=True)
    wrong = rng.permutation(len(rows))[: int(share * len(rows))]
    codes[wrong] = (codes[wrong] + rng.integers(1, len(classes), len(wrong))) % len(classes)
    rows[label] = classes[codes]
    rows.to_csv(folder / "rows.csv", index=False)
    return len(rows)


def settings(n_rows: int) -> list[dict[str, object]]:
    """Shards of all rows, of a quarter and of a sixteenth; global models of as many."""
    parts = [-(-n_rows // n_shards) for n_shards in (1, 4, 16)]
    shards = [{"mode": "shard", "rows_per_shard": part} for part in parts]
    return shards + [
        {"mode": "global", "rows_per_shard": n_rows, "max_train_rows": part} for part in parts
    ]


def row(crossval: dict[str, object], model: dict[str, float], found: dict[str, float]) -> str:
    """Return a line of the table."""
    size = "rows_per_shard" if crossval["mode"] == "shard" else "max_train_rows"
    figures = [f"{model['accuracy']:.3f}"]
    figures += [f"{found[name]:.3f}" for name in ("precision", "recall", "auroc")]
    cells = [crossval["mode"], f"{size}={crossval[size]:,}", f"{model['C']:g}", *figures]
    return f"| {' | '.join(map(str, cells))} | {model['cpu_seconds']:.1f} |"


if __name__ == "__main__":
    main()

"""Every check that cleanlab's Datalab has too, on real data: the same rows, and the same scores?

    .venv/bin/python tests/bench/parity.py ../shared/data/politeness/train.csv:prompt:completion \
        ../shared/data/banking77/train.csv:text:category

A table goes through the pipeline with static embeddings, in the order of its file. Datalab's issue
managers get the vectors, the probabilities and the labels that the run leaves in its workspace, in
float64, and share one graph of neighbours, theirs, as they do within Datalab (which itself wants a
package more, datasets, and said the same). Neither table has a value missing: two columns of which
some are stand for it.

With cleanlab 2.9.0, rows flagged by both, by one alone, how far scores are apart at most, and of
how many rows by more than 1e-9:

                             politeness, 1,916 rows            banking77, 10,003 rows
                             both ours theirs apart rows       both ours theirs apart rows
    label                     910    0      0     0    0        283    4      4     0    0
    label, stable sort        910    0      0     0    0        287    0      0     0    0
    outlier                     0    0      0 8e-16    0         66    0      0 3e-15    0
    outlier by pred_probs     172    0      0     0    0          0    0      0     0    0
    near_duplicate              6    0      0 1e-15    0        388    0      0 1e-14    0
    non_iid                     0    0      0 2e-16    0          1    0      0 8e-04    4
    class_imbalance             0    0      0     0    0          0    0      0     0    0
    underperforming_group       0    0      0     0    0          0    0      0 2e-16    0
    null                      161    0      0     0    0        880    0      0     0    0
    data_valuation            637    0      0     0    0      1,362    0      0     0    0

What differs: cleanlab rounds the counts of the confident joint by an `argsort` that is not stable,
so which of level counts is rounded up, and with it some label issues, depends on the processor;
with a stable one it finds ours. The four rows of other scores in non_iid are of those (`level`)
whose 10th and 11th neighbour are equally far, texts of one vector: either may be the 10th. With
`--max-distance 0.15`, where there are more clusters, nothing else differs.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
from cleanlab.datalab.internal import issue_manager as managers
from pyspark.sql import SparkSession

import lakewinnow
from lakewinnow.config.file import parse_config
from lakewinnow.spark.sessions.session import running

sys.path.append(str(Path(__file__).parents[1]))
from core.datalab import managed
from core.reference import stable_cleanlab

K = 10
NULLS = ["channel", "country"]
MISSING = 0.3  # of either column
SAME = 1e-9
BY_PROBS, STABLE = "outlier by pred_probs", "label, stable sort"


class Found(NamedTuple):
    """What a check says of all rows, in their order."""

    is_issue: np.ndarray
    scores: np.ndarray


def main() -> None:
    """Run both on each table, and print a line a check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", metavar="CSV:TEXT:LABEL")
    parser.add_argument("--max-distance", type=float, default=0.5, help="between rows of a cluster")
    options = parser.parse_args()
    with running() as spark:
        for table in options.tables:
            path, text, label = table.split(":")
            with tempfile.TemporaryDirectory() as name:
                source = write(pd.read_csv(path), Path(name))
                config = {
                    "input": {"path": str(source), "id": "id", "text": text, "label": label},
                    "workspace": str(Path(name, "out")),
                }
                rows = run(spark, config, options.max_distance)
            theirs, n_level = of_datalab(rows, options.max_distance)
            print(f"\n{path}: {len(rows):,} rows, {n_level} level")
            print(f"{'':>22}{'both':>7}{'ours':>7}{'theirs':>7}{'apart':>10}{'rows':>7}")
            for check, found in theirs.items():
                print(f"{check:>22}{compared(of_run(rows, check), found)}", flush=True)


def write(rows: pd.DataFrame, folder: Path) -> Path:
    """Write the rows in their order, by an id, with two columns in which values are missing."""
    rng = np.random.default_rng(0)
    rows.insert(0, "id", [f"{i:06}" for i in range(len(rows))])
    for name in NULLS:
        rows[name] = np.where(rng.random(len(rows)) < MISSING, None, "some")
    rows.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def run(spark: SparkSession, config: dict[str, dict], max_distance: float) -> pd.DataFrame:
    """Run the pipeline; return its issues and what they were made from, in the order of the ids."""
    checks = {
        "neighbors": {"k": K},
        "near_duplicates": {"by": "embedding"},
        "imbalance": {},
        "nulls": {"columns": NULLS},
        "non_iid": {"by": "id"},
        "groups": {"max_distance": max_distance},
        "valuation": {},
    }
    config = config | {"label_issues": {"min_examples_per_class": 10}}  # as Datalab
    found = []
    for by in ("pred_probs", "embedding"):
        config["checks"] = {**checks, "outliers": {"by": by}}
        lakewinnow.run(parse_config(config), spark, until="decide")
        found.append(read(config, "issues"))
    by_probs = found[0][["row_id", "is_outlier_issue", "outlier_score"]]
    by_probs = by_probs.rename(columns=lambda name: name.replace("outlier", BY_PROBS))
    vectors = read(config, "embeddings").drop_duplicates("text_key")[["text_key", "vector"]]
    corpus = read(config, "corpus")[["row_id", "text_key", "label"]].merge(vectors, on="text_key")
    pred_probs = read(config, "pred_probs").drop(columns="label")
    rows = found[1].merge(by_probs, on="row_id").merge(corpus, on="row_id")
    rows = rows.merge(pred_probs, on="row_id").sort_values("row_id", ignore_index=True)
    rows[NULLS] = pd.read_csv(config["input"]["path"])[NULLS]
    return rows


def read(config: dict[str, dict], table: str) -> pd.DataFrame:
    """Return a table of the workspace."""
    return ds.dataset(Path(config["workspace"], table), format="parquet").to_table().to_pandas()


def of_run(rows: pd.DataFrame, check: str) -> Found:
    """Return what the run has found."""
    name = check.partition(",")[0]
    return Found(rows[f"is_{name}_issue"].to_numpy(), rows[f"{name}_score"].to_numpy())


def of_datalab(rows: pd.DataFrame, max_distance: float) -> tuple[dict[str, Found], int]:
    """Return what Datalab finds, and how many rows have two neighbours level in the k-th place."""
    labels = rows["label"].to_numpy().astype(int)
    vectors, pred_probs = (np.stack(rows[n]).astype(np.float64) for n in ("vector", "pred_probs"))
    probs, features = {"pred_probs": pred_probs}, {"features": vectors}
    one_more = managed(managers.OutlierIssueManager, **features, options={"k": K + 1})
    distances = graph_of(one_more).data.reshape(-1, K + 1)
    outliers = managed(managers.OutlierIssueManager, **features, options={"k": K})
    near = {"knn_graph": graph_of(outliers), "options": {"k": K}}
    clusters = {"clustering_kwargs": {"eps": max_distance, "min_samples": 5}}
    by_cluster = {**near, **probs, "options": {"k": K, **clusters}}
    with stable_cleanlab():
        stable = managed(managers.LabelIssueManager, labels, **probs)
    with contextlib.redirect_stdout(io.StringIO()):
        by_probs = managed(managers.OutlierIssueManager, labels, **probs)
    made = {
        "label": managed(managers.LabelIssueManager, labels, **probs),
        STABLE: stable,
        "outlier": outliers,
        BY_PROBS: by_probs,
        "near_duplicate": managed(managers.NearDuplicateIssueManager, **near),
        "non_iid": managed(managers.NonIIDIssueManager, **near),
        "class_imbalance": managed(managers.ClassImbalanceIssueManager, labels),
        "underperforming_group": managed(
            managers.UnderperformingGroupIssueManager, labels, **by_cluster
        ),
        "null": managed(managers.NullIssueManager, features=rows[NULLS]),
        "data_valuation": managed(managers.DataValuationIssueManager, labels, **near),
    }
    is_level = distances[:, K] - distances[:, K - 1] < SAME
    found = {name: Found(*of.issues.iloc[:, :2].to_numpy().T) for name, of in made.items()}
    return found, int(is_level.sum())


def graph_of(manager: managers.OutlierIssueManager) -> object:
    """Return the graph of neighbours that a manager has made."""
    return manager.info["statistics"]["weighted_knn_graph"]


def compared(ours: Found, theirs: Found) -> str:
    """Return the rows flagged by both and by either, and how far the scores of how many differ."""
    flagged, by_them = ours.is_issue.astype(bool), theirs.is_issue.astype(bool)
    counts = ((flagged & by_them).sum(), (flagged & ~by_them).sum(), (~flagged & by_them).sum())
    apart = np.abs(ours.scores - theirs.scores.astype(np.float64))
    shown = "".join(f"{n:>7}" for n in counts)
    return f"{shown}{apart.max():>10.0e}{(apart > SAME).sum():>7}"


if __name__ == "__main__":
    main()

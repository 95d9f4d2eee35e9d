"""Checks beside label issues against their peers in one process: outliers, cleanlab's Datalab.

    .venv/bin/python tests/bench/checks.py 20000 100000 1e6:ours

Rows have vectors of 256 numbers: clouds around 200 centres in 24 dimensions, of differing width,
and a percent of strangers. Ours are the stages `neighbors` and `outliers`, from Parquet to Parquet,
compared with all rows and with a sample of 20,000; theirs is the arithmetic of Datalab's outlier
check, its issue manager, from and to Parquet too. Each run is a process of its own. Seconds count
from the first read to the last written byte, interpreter and JVM started before; memory is the peak
of the resident memory of all the run's processes together.

On two cores busy with other work, the ratio to cleanlab's seconds in brackets:

    rows      exact                    sampled                  cleanlab           flags that differ
     20,000    85 s (1.7)  2.0 GiB      71 s (1.4)  2.3 GiB      50 s  1.9 GiB     0 of 111
    100,000   284 s (0.5)  3.4 GiB     107 s (0.2)  2.5 GiB     566 s  2.1 GiB     0 of 1,093

`differ`: rows whose flags differ between exact and cleanlab, and how far scores are apart at most.
`sample`: rank correlation of the distances to the sample and to all, and the share of the flagged
rows that both have (Jaccard).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import watched
from scipy.stats import spearmanr

N_COLUMNS, N_REAL, N_CENTRES = 256, 24, 200
BLOCK_ROWS = 50_000

CLEANLAB = """
import sys, time
from types import SimpleNamespace
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from cleanlab.datalab.internal.issue_manager.outlier import OutlierIssueManager
source, out = sys.argv[1:]
started = time.monotonic()
table = pq.read_table(source, columns=["text_key", "vector"])
vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
manager = OutlierIssueManager(SimpleNamespace(get_info=lambda _: {}))
manager.find_issues(features=vectors)
found = manager.issues
columns = {"row_id": [key.hex() for key in table["text_key"].to_pylist()],
           "is_outlier_issue": found.is_outlier_issue, "outlier_score": found.outlier_score}
pq.write_table(pa.table(columns), out)
print(time.monotonic() - started)
"""

OURS = """
import sys, time
from types import SimpleNamespace
from lakewinnow.config.sections import EmbeddingConfig, NeighborsConfig
from lakewinnow.checks.outliers import OutliersConfig
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.sessions.session import session
from lakewinnow.checks.neighbors import stage as neighbors
from lakewinnow.checks.outliers import stage as outliers
workspace, most = sys.argv[1:]
spark = session()
spark.range(10).count()
lake = Lake(spark, workspace)
started = time.monotonic()
report = neighbors.run(lake, EmbeddingConfig(), NeighborsConfig(max_reference_rows=int(most)))
lake.commit("neighbors", "of a benchmark", 0.0, report)
config = SimpleNamespace(has_vectors=True)
outliers.run(SimpleNamespace(lake=lake, config=config), OutliersConfig())
print(time.monotonic() - started)
"""


def main() -> None:
    """Parse the sizes, run all on each, print a row a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="+", metavar="ROWS[:ours]")
    parser.add_argument("--sample", type=int, default=20_000)
    options = parser.parse_args()
    for size in options.sizes:
        n_text, _, only = size.partition(":")
        n_rows = int(float(n_text))
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            workspace = Path(folder, "workspace")
            write_workspace(workspace, n_rows)
            sampled = report(f"{n_rows:,} sampled", OURS, workspace, options.sample)
            of_sample = flags_and_scores(workspace / "checks" / "outliers")
            if only:
                continue
            exact = report(f"{n_rows:,} exact", OURS, workspace, n_rows)
            of_all = flags_and_scores(workspace / "checks" / "outliers")
            print("  sample:", agreement(of_all, of_sample), flush=True)
            out = Path(folder, "cleanlab.parquet")
            theirs = report(f"{n_rows:,} cleanlab", CLEANLAB, workspace / "vectors", out)
            of_theirs = flags_and_scores(out)
            n_differ = (of_all[0] != of_theirs[0]).sum()
            apart = np.abs(of_all[1] - of_theirs[1]).max()
            print(f"  differ: {n_differ} flags of {of_theirs[0].sum()}, scores {apart:.1e}")
            print(
                f"  ratio: exact {exact / theirs:.2f}, sampled {sampled / theirs:.2f}", flush=True
            )


def write_workspace(folder: Path, n_rows: int) -> None:
    """Write corpus/ and vectors/ as stages before would, and the record that they look up."""
    rng = np.random.default_rng(0)
    to_real = rng.normal(size=(N_REAL, N_COLUMNS))
    centres = rng.normal(size=(N_CENTRES, N_REAL))
    widths = rng.uniform(0.2, 0.8, size=(N_CENTRES, 1))
    for name in ("corpus", "vectors", "_commits"):
        (folder / name).mkdir(parents=True)
    for start in range(0, n_rows, BLOCK_ROWS):
        n = min(BLOCK_ROWS, n_rows - start)
        at = rng.integers(0, N_CENTRES, n)
        real = centres[at] + widths[at] * rng.normal(size=(n, N_REAL))
        strange = rng.random(n) < 0.01
        real[strange] = 1.5 * rng.normal(size=(strange.sum(), N_REAL))
        vectors = real @ to_real + 0.3 * rng.normal(size=(n, N_COLUMNS))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        keys = [rng.bytes(32) for _ in range(n)]
        offsets = pa.array(np.arange(n + 1, dtype=np.int32) * N_COLUMNS)
        flat = pa.array(vectors.astype(np.float32).reshape(-1))
        table = pa.table({"text_key": keys, "vector": pa.ListArray.from_arrays(offsets, flat)})
        pq.write_table(table, folder / "vectors" / f"{start:010}.parquet")
        rows = pa.table({"row_id": [key.hex() for key in keys], "text_key": keys})
        pq.write_table(rows, folder / "corpus" / f"{start:010}.parquet")
    record = """{"name": "ingest", "fingerprint": "", "seconds": 0, "rows_in": 0, "rows_out": 0,
        "passes": 0, "bytes_read": 0, "bytes_written": 0, "tables": {},
        "figures": {"own_vectors": true}, "warnings": []}"""
    (folder / "_commits" / "ingest.json").write_text(record)


def report(what: str, script: str, *arguments: object) -> float:
    """Run a script and print its seconds and the peak GiB of its processes; return the seconds."""
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    output, peak = watched.run(command)
    seconds = float(output.split()[-1])
    print(f"{what:>20} {seconds:8.1f} s {peak:6.1f} GiB", flush=True)
    return seconds


def flags_and_scores(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what is said of each row, in the order of their ids."""
    table = ds.dataset(path, format="parquet").to_table().sort_by("row_id")
    flags = table.column("is_outlier_issue").to_numpy(zero_copy_only=False)
    return flags, table.column("outlier_score").to_numpy()


def agreement(exact: tuple[np.ndarray, ...], sampled: tuple[np.ndarray, ...]) -> str:
    """Say how well a sample does."""
    correlation = spearmanr(exact[1], sampled[1]).statistic
    both, either = (exact[0] & sampled[0]).sum(), (exact[0] | sampled[0]).sum()
    return (
        f"rank correlation {correlation:.4f}, {exact[0].sum():,} and {sampled[0].sum():,} flagged,"
        f" {both / max(either, 1):.2f} of them by both"
    )


if __name__ == "__main__":
    main()

"""Confident learning from Parquet to Parquet: ours against pyarrow + cleanlab in one process.

    .venv/bin/python tests/bench/confident_learning.py 1e6x10 1e6x100 5e6x10 2e5x1000 20e6x10:ours

Ours runs once cold and five times warm, in one process; theirs in a process of its own, once before
ours and twice after. The median of each counts, since other work on a machine comes and goes.
Seconds count from the first read to the last written byte, with interpreter and JVM started before;
memory is the peak of the resident memory of all the run's processes together. Quote the ratios.

The last column counts the rows whose flags differ from cleanlab's, and from cleanlab's with
`np.argsort` made stable. At 1e6x100 they are 19 (322,892 flags against 322,889) and 0, at 5e6x10
they are 1 and 0. Each of the 19 was looked at: the raw confident joints are equal, but calibration
rounds equal raw counts of a row up or down as NumPy's unstable sort has them, which moves 86 of the
10,000 cells by 1; and each row is the very one of its class that ranks last in such a cell.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import watched

BLOCK_ROWS = 100_000
ROW_GROUP_BYTES = 128 * 2**20  # as Spark writes them

CLEANLAB = """
import sys, time
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
source, out = sys.argv[1:]
started = time.monotonic()
table = pq.read_table(source)
labels = table["label"].to_numpy()
pred_probs = table["pred_probs"].combine_chunks().flatten().to_numpy().reshape(len(labels), -1)
is_issue = find_label_issues(labels, pred_probs)
score = get_label_quality_scores(labels, pred_probs)
columns = {"id": table["id"], "is_label_issue": is_issue, "label_score": score,
           "predicted_label": pred_probs.argmax(axis=1)}
pq.write_table(pa.table(columns), out)
print(time.monotonic() - started, is_issue.sum())
"""

DIFFERENCES = """
import sys
import numpy as np, pyarrow.parquet as pq
from cleanlab.filter import find_label_issues
source, ours = sys.argv[1:]
table = pq.read_table(source)
labels = table["label"].to_numpy()
pred_probs = table["pred_probs"].combine_chunks().flatten().to_numpy().reshape(len(labels), -1)
found = pq.read_table(ours, columns=["id", "is_label_issue"]).sort_by("id")["is_label_issue"]
n_unstable = (find_label_issues(labels, pred_probs, n_jobs=1) != found.to_numpy()).sum()
unstable = np.argsort
np.argsort = lambda *args, **options: unstable(*args, **options | {"kind": "stable"})
print(n_unstable, (find_label_issues(labels, pred_probs, n_jobs=1) != found.to_numpy()).sum())
"""

OURS = """
import statistics, sys, time
import lakewinnow
from lakewinnow.spark.sessions.session import session, stop
source, out, engine = sys.argv[1:]
spark = session(engine=engine)
spark.range(10).count()
seconds = []
for _ in range(6):  # once cold, then warm
    started = time.monotonic()
    rows = spark.read.parquet(source)
    found = lakewinnow.find_label_issues(rows, label="label", pred_probs="pred_probs", id="id")
    found.drop("pred_probs").write.mode("overwrite").parquet(out)
    seconds.append(time.monotonic() - started)
found = spark.read.parquet(out).where("is_label_issue")
print(seconds[0], statistics.median(seconds[1:]), found.count())
stop(spark)
"""


def main() -> None:
    """Parse the sizes, run all on each, print a row a size and engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="+", metavar="ROWSxCLASSES[:ours]")
    parser.add_argument(
        "--engines", nargs="+", choices=("sail", "spark"), default=["sail", "spark"]
    )
    options = parser.parse_args()
    print(
        f"{'rows x classes':>16} {'engine':>6} {'cold s':>7} {'warm s':>7} {'GiB':>5}"
        f" {'theirs s':>9} {'GiB':>5} {'warm / theirs':>13} differ"
    )
    for size in options.sizes:
        shape, _, only = size.partition(":")
        n_rows, n_classes = (int(float(part)) for part in shape.split("x"))
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            source = Path(folder, "source")
            write_source(source, n_rows, n_classes)
            for engine in options.engines:
                out = str(Path(folder, engine))
                theirs = [] if only else [measure_theirs(source, folder)]
                (cold, warm, _), peak = measure(OURS, str(source), out, engine)
                row = f"{n_rows:>9,} x {n_classes:<4} {engine:>6}"
                row += f" {cold:>7.1f} {warm:>7.1f} {peak:>5.1f}"
                if not only:
                    theirs += [measure_theirs(source, folder) for _ in range(2)]
                    seconds = statistics.median(seconds for (seconds, _), _ in theirs)
                    their_peak = theirs[0][1]
                    row += f" {seconds:>9.1f} {their_peak:>5.1f} {warm / seconds:>13.2f}"
                    output, _ = watched.run([sys.executable, "-c", DIFFERENCES, str(source), out])
                    row += "   " + " ".join(output.split())
                print(row, flush=True)


def write_source(folder: Path, n_rows: int, n_classes: int) -> None:
    """Write rows with 10% noisy labels, in files of 100,000 rows."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, BLOCK_ROWS):
        n = min(BLOCK_ROWS, n_rows - start)
        labels = rng.integers(0, n_classes, n)
        probs = rng.gamma(0.3, size=(n, n_classes))
        probs[np.arange(n), labels] += 3 * rng.gamma(1.0, size=n)
        probs /= probs.sum(axis=1, keepdims=True)
        noisy = rng.random(n) < 0.1
        labels[noisy] = rng.integers(0, n_classes, noisy.sum())
        offsets = pa.array(np.arange(n + 1, dtype=np.int32) * n_classes)
        table = pa.table(
            {
                "id": [f"r{row:010}" for row in range(start, start + n)],
                "label": pa.array(labels, pa.int32()),
                "pred_probs": pa.ListArray.from_arrays(offsets, pa.array(probs.reshape(-1))),
            }
        )
        rows_a_group = max(1, ROW_GROUP_BYTES // (8 * n_classes))
        pq.write_table(table, folder / f"{start:010}.parquet", row_group_size=rows_a_group)


def measure_theirs(source: Path, folder: str) -> tuple[tuple[float, ...], float]:
    """Measure cleanlab."""
    return measure(CLEANLAB, str(source), str(Path(folder, "theirs.parquet")))


def measure(script: str, *arguments: str) -> tuple[tuple[float, ...], float]:
    """Run a script; return the numbers that it prints last, and the peak GiB of its processes."""
    command = [sys.executable, "-c", script, *arguments]
    output, peak = watched.run(command, stderr=subprocess.DEVNULL)
    return tuple(map(float, output.splitlines()[-1].split())), peak


if __name__ == "__main__":
    main()

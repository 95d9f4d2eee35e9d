"""Cross-validation on Spark, in both modes: rows a second, memory, and what is not the solver.

    .venv/bin/python tests/bench/crossval_stage.py 1e6x256x10

Synthetic embeddings ROWSxFEATURESxCLASSES with 10% noisy labels go through `input.embedding`. Both
modes are run on one workspace, so that the stages before them run once. Seconds are the stage's of
the manifest, with the join of vectors, the shuffle and the writing; the solver's CPU seconds are
what the tasks measured around it, and the share outside is that of all seconds of all cores.
Memory is the peak of the resident memory of all processes together.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import watched

BLOCK_ROWS = 100_000
SEPARATION = 3.0  # standard deviations between the centres of two classes

RUN = """
import json, sys
import lakewinnow
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.sessions.session import session
spark = session()
config = lakewinnow.load_config(overrides=sys.argv[1:])
lakewinnow.run(config, spark, until="noise")
lake = Lake(spark, config.workspace)
stage = lake.committed("crossval")
how, figures = stage.figures, lake.committed("noise").figures
named = {"seconds": stage.seconds, "rows_out": stage.rows_out}
print(json.dumps([named, how["cpu_seconds"], figures["accuracy"]]))
"""


def main() -> None:
    """Parse the sizes, run both modes on each, print a row a mode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="+", metavar="ROWSxFEATURESxCLASSES")
    parser.add_argument("--C", default="auto")
    options = parser.parse_args()
    titles = ("data", "mode", "s", "rows/s", "solver s", "outside", "GiB", "accuracy")
    print(f"{titles[0]:>22}" + "".join(f"{title:>10}" for title in titles[1:]))
    for size in options.sizes:
        n_rows, n_features, n_classes = (int(float(part)) for part in size.split("x"))
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            write_source(Path(folder, "source"), n_rows, n_features, n_classes)
            for mode in ("shard", "global"):
                found = measure(Path(folder), mode, options.C)
                print(f"{size:>22}{mode:>10}" + "".join(f"{value:>10}" for value in found))


def write_source(folder: Path, n_rows: int, n_features: int, n_classes: int) -> None:
    """Write embeddings around a centre a class, in files of 100,000 rows."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_classes, n_features)) * SEPARATION / np.sqrt(2 * n_features)
    for start in range(0, n_rows, BLOCK_ROWS):
        n = min(BLOCK_ROWS, n_rows - start)
        labels = rng.integers(0, n_classes, n)
        rows = (centres[labels] + rng.normal(size=(n, n_features))).astype(np.float32)
        noisy = rng.random(n) < 0.1
        labels[noisy] = rng.integers(0, n_classes, noisy.sum())
        offsets = pa.array(np.arange(n + 1, dtype=np.int32) * n_features)
        vectors = pa.ListArray.from_arrays(offsets, pa.array(rows.reshape(-1)))
        pq.write_table(
            pa.table({"label": pa.array(labels, pa.int32()), "vector": vectors}),
            folder / f"{start:010}.parquet",
        )


def measure(folder: Path, mode: str, strength: str) -> tuple[str, ...]:
    """Run up to the probabilities; return what there is to say of the stage."""
    settings = {
        "input.path": folder / "source",
        "input.format": "parquet",
        "input.embedding": "vector",
        "input.label": "label",
        "workspace": folder / "workspace",
        "crossval.mode": mode,
        "crossval.params.C": strength,
    }
    arguments = [f"{key}={value}" for key, value in settings.items()]
    output, peak = watched.run([sys.executable, "-c", RUN, *arguments])
    stage, solver, accuracy = json.loads(output.splitlines()[-1])
    cores = len(os.sched_getaffinity(0))
    return (
        f"{stage['seconds']:.1f}",
        f"{stage['rows_out'] / stage['seconds']:,.0f}",
        f"{solver:.1f}",
        f"{1 - solver / (stage['seconds'] * cores):.0%}",
        f"{peak:.1f}",
        f"{accuracy:.3f}",
    )


if __name__ == "__main__":
    main()

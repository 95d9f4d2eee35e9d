"""Whole runs on classic Spark, Spark Connect and Sail, in 1, 3 and 7 partitions: the same answer.

By default one seed, on Sail in two splits and on Spark in the third; `LAKEWINNOW_SEEDS=0:100` takes
a hundred. The sets of data are those of the development environment.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pyarrow import csv

from builders import ROOT, SAMPLE, SHARED
from differential import comparing, corpora

FIRST, END = map(int, os.environ.get("LAKEWINNOW_SEEDS", "60:61").split(":"))
SEEDS = range(FIRST, END)
RUNS = Path(__file__).with_name("runs.py")
DATA = {
    "sample": (SAMPLE / "support.csv", {"id": "ticket", "text": "message", "label": "queue"}),
    "politeness": (
        SHARED / "data/politeness/train.csv",
        {"text": "prompt", "label": "completion"},
    ),
    "banking77": (SHARED / "data/banking77/train.csv", {"text": "text", "label": "category"}),
    "nyt": (SHARED / "data/crowd/nyt_train.csv", {"id": "id", "text": "text", "label": "label"}),
    "amazon": (
        SHARED / "data/crowd/amazon_train.csv",
        {"id": "id", "text": "text", "label": "label"},
    ),
}


def run_cases(engine, n_partitions, cases):
    """Run cases in a process of their own."""
    command = [sys.executable, str(RUNS), engine, str(n_partitions), *map(str, cases)]
    path = os.pathsep.join(filter(None, [str(ROOT / "lib"), os.environ.get("PYTHONPATH")]))
    subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=True)


def assert_same(case, *runs):
    first, *others = (case / run for run in runs)
    found = [line for other in others for line in comparing.differences(first, other)]
    assert not found, "\n".join([f"{case}: {' against '.join(runs)}", *found])
    error = first / "error.txt"
    assert not error.exists() or not error.read_text().startswith("not ours")


@pytest.mark.slow
def test_random_corpora(tmp_path):
    cases = {seed: tmp_path / f"seed-{seed:03d}" for seed in SEEDS}
    for seed, case in cases.items():
        corpora.write_case(case, seed)
    wanted = {}  # (engine, partitions): cases
    for seed, case in cases.items():
        splits = [corpora.SPLITS[(seed + i) % 3] for i in range(3)]
        engines = ("sail", "sail", ("classic", "connect")[seed % 2])
        for run in zip(engines, splits, strict=True):
            wanted.setdefault(run, []).append(case)
    for (engine, n_partitions), some in wanted.items():
        run_cases(engine, n_partitions, some)
    for case in cases.values():
        runs = sorted(path.name for path in case.iterdir() if (path / "_commits").exists())
        assert_same(case, *(runs or sorted(p.parent.name for p in case.glob("*/error.txt"))))


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_data_that_people_have_made(tmp_path, name):
    path, columns = DATA[name]
    if not path.exists():
        pytest.skip(f"{path} is in the development environment only")
    options = csv.ParseOptions(newlines_in_values=True)
    table = csv.read_csv(path, parse_options=options)
    corpora.write_input(tmp_path, table)
    source = {"path": "unused", "format": "parquet", **columns}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"input": source, "workspace": "unused"}))
    runs = [("sail", 1), ("sail", 3), ("sail", 7), ("classic", 7), ("connect", 3)]
    for run in runs:
        run_cases(*run, [tmp_path])
    assert_same(tmp_path, *(f"{engine}-{n}" for engine, n in runs))

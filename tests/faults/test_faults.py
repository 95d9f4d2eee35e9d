"""Whatever ends a run, the last one stays readable and the next one comes to the same.

`bash tests/run faults` kills everywhere; here each test has a few places, and the others are slow.
"""

import resource
import shutil
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from builders import CLEAR
from lakewinnow.config.file import load_config
from lakewinnow.lake.files import Files
from lakewinnow.lake.reading import read, verify
from lakewinnow.pipeline.catalog import graph_of
from lakewinnow.spark.sail import embedded

pytestmark = [
    pytest.mark.sail_only,
    pytest.mark.skipif(embedded.why_not() is not None, reason="Sail does not run here"),
]
VICTIM = Path(__file__).parent / "victim.py"
KILLED = -signal.SIGKILL
LOST = 6  # the exit code of a run whose engine is gone
COMPARED = ("clean", "review", "dropped", "quarantine", "issues", "pred_probs", "corpus")
SECTIONS = {
    "input": {"format": "parquet", "embedding": "v"},
    "crossval": {"folds": 3},
    "checks": {"outliers": {}, "near_duplicates": {}},
    "clean": {"label_issues": "review"},
    "export": {"format": "openai-chat"},
}
QUICK = [("crossval", "inside"), ("publish", "inside")]


def write_input(path, n_rows, seed):
    random = np.random.default_rng(seed)
    labels = [sorted(CLEAR)[(i + (i % 10 == 4)) % 3] for i in range(n_rows)]
    rows = {
        "text": [CLEAR[sorted(CLEAR)[i % 3]].format(i) if i % 17 else "" for i in range(n_rows)],
        "label": labels,
        "v": [(np.eye(3)[i % 3] + random.normal(0, 0.2, 3)).tolist() for i in range(n_rows)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), path)


class Place:
    """A workspace with a finished run of 40 rows, whose input has 60 by now."""

    def __init__(self, folder):
        self.root, self.input = folder / "out", folder / "rows.parquet"
        self.config = folder / "config.yaml"

    def begin(self):
        sections = {
            **SECTIONS,
            "input": {**SECTIONS["input"], "path": str(self.input), "text": "text"},
            "workspace": str(self.root),
        }
        sections["input"]["label"] = "label"
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(sections))
        write_input(self.input, 40, seed=1)
        assert self.run().returncode == 0
        write_input(self.input, 60, seed=2)
        return self

    def copy_to(self, folder):
        """Return a place with a workspace like this one's; they share the input."""
        other = Place(folder)
        folder.mkdir(parents=True)
        shutil.copytree(self.root, other.root)
        config = self.config.read_text().replace(str(self.root), str(other.root))
        other.config.write_text(config)
        return other

    def run(self, who="nobody", stage="", when="", **options):
        command = [sys.executable, str(VICTIM), str(self.config), who, stage, when]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=300, **options
        )

    def tables(self):
        found = {name: read(self.root, name) for name in COMPARED}
        return {
            name: rows.sort_by("row_id") if "row_id" in rows.column_names else rows
            for name, rows in found.items()
        }

    def bytes_of(self, name):
        files = [Path(self.root, name, path) for path in Files(str(self.root)).listed(name)]
        return sorted(file.read_bytes() for file in files)

    def check_last_run(self, before):
        assert self.tables() == before
        assert verify(self.root).faults == []

    def stages(self):
        return list(graph_of(load_config(self.config)))


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A place whose next run is to be disturbed, and what the undisturbed one comes to."""
    place = Place(tmp_path_factory.mktemp("before") / "place").begin()
    undisturbed = place.copy_to(tmp_path_factory.mktemp("undisturbed") / "place")
    assert undisturbed.run().returncode == 0
    assert undisturbed.tables() != place.tables()
    return place, undisturbed


def check_the_same(place, undisturbed):
    assert place.tables() == undisturbed.tables()
    assert verify(place.root).faults == []
    for name in ("clean", "review", "dropped"):
        assert place.bytes_of(name) == undisturbed.bytes_of(name)
    exports = [Path(of.root, "exports", "train.jsonl") for of in (place, undisturbed)]
    assert exports[0].read_bytes() == exports[1].read_bytes()
    rows = Files(str(place.root)).read_json("manifest.json")["rows"]
    assert rows["in"] == 60 == sum(n for name, n in rows.items() if name != "in")


def places_to_kill(stages, *, all_of_them):
    if not all_of_them:
        return QUICK
    whens = ("before", "inside", "after")
    silent = {"report", "export"}  # which publish no table
    found = chain.from_iterable([(stage, when) for when in whens] for stage in stages)
    return [(stage, when) for stage, when in found if when != "inside" or stage not in silent]


@pytest.mark.parametrize("all_of_them", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_driver_that_is_killed_at_any_stage(before, tmp_path, counts, all_of_them):
    first, undisturbed = before
    place, last = first.copy_to(tmp_path / "place"), first.tables()
    for stage, when in places_to_kill(place.stages(), all_of_them=all_of_them):
        done = place.run("driver", stage, when)
        assert done.returncode == KILLED, (stage, when, done.stderr)
        place.check_last_run(last)
        counts["driver killed"] += 1
    assert place.run().returncode == 0
    check_the_same(place, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["server", "worker"])
def test_a_process_of_the_engine_that_is_killed_at_any_stage(before, tmp_path, counts, who):
    first, undisturbed = before
    place, last = first.copy_to(tmp_path / "place"), first.tables()
    for stage in place.stages():
        done = place.run(who, stage, "before")
        assert done.returncode in (0, LOST), (stage, done.stderr)
        assert "Traceback" not in done.stderr
        counts[f"{who} killed"] += "killed" in done.stderr
        if done.returncode == 0:  # what that worker did was done again
            check_the_same(place, undisturbed)
            place = first.copy_to(tmp_path / f"place after {stage}")
        else:
            place.check_last_run(last)
    assert place.run().returncode == 0
    check_the_same(place, undisturbed)


@pytest.mark.slow
def test_a_workspace_that_lost_any_of_its_files(before, tmp_path, counts):
    place = before[1].copy_to(tmp_path / "place")
    files = Files(str(place.root))
    tables = files.read_json("manifest.json")["tables"]
    for name in tables:
        Path(place.root, name, files.listed(name)[0]).unlink()
        counts["table without a file"] += 1
        assert place.run().returncode == 0
        check_the_same(place, before[1])
    for name in ("clean", "_commits/decide.json", "manifest.json", "summary.json"):
        files.delete(name)
        counts["folder or file lost"] += 1
        assert place.run().returncode == 0
        check_the_same(place, before[1])


@pytest.mark.slow
@pytest.mark.parametrize("most", [2_000, 10_000])
def test_a_disk_that_takes_no_more(before, tmp_path, counts, most):
    first, undisturbed = before
    place, last = first.copy_to(tmp_path / "place"), first.tables()

    def limit():  # of a file; what is beyond it cannot be written, as on a disk that is full
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    done = place.run(preexec_fn=limit)
    assert done.returncode not in (0, KILLED), done.stderr
    assert "Traceback" not in done.stderr
    place.check_last_run(last)
    counts["disk full"] += 1
    assert place.run().returncode == 0
    check_the_same(place, undisturbed)


@pytest.mark.slow
def test_an_input_file_that_is_cut_off(before, tmp_path, counts):
    first, undisturbed = before
    place, last = first.copy_to(tmp_path / "place"), first.tables()
    whole = first.input.read_bytes()
    try:
        for size in (0, 7, len(whole) // 2, len(whole) - 1):
            first.input.write_bytes(whole[:size])
            done = place.run()
            assert done.returncode in (3, 4, LOST), (size, done.stderr)
            assert "Traceback" not in done.stderr
            place.check_last_run(last)
            counts["input cut off"] += 1
    finally:
        first.input.write_bytes(whole)
    assert place.run().returncode == 0
    check_the_same(place, undisturbed)

"""Small inputs, configurations and workspaces, made and read back without Spark."""

import atexit
import csv
import functools
import hashlib
import json
import runpy
import shutil
import tempfile
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset
from pyspark.sql.pandas.types import to_arrow_schema

import lakewinnow
from lakewinnow.config import file as configfile
from lakewinnow.config.sections import ChecksConfig
from lakewinnow.lake.run import Inputs, Run
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.pipeline import Observer
from lakewinnow.typed_json import to_json

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "conf" / "sample"
SHARED = ROOT.parent / "shared"  # of the development environment; absent elsewhere
CHECK_WORKSPACE = SHARED / "check_workspace.py"

USERS_CODE = Path(tempfile.mkdtemp(prefix="lakewinnow-tests-"))  # modules that workers import
atexit.register(shutil.rmtree, USERS_CODE, ignore_errors=True)

CLEAR = {
    "billing": "please correct the amount on invoice number {}",
    "login": "my password is refused, account {} is locked",
    "shipping": "the parcel {} has not arrived, where is the courier",
}


def messages(n_rows):
    """Return (text, label) pairs that a classifier tells apart; each tenth label is wrong."""
    names = sorted(CLEAR)
    return [(CLEAR[names[i % 3]].format(i), names[(i + (i % 10 == 4)) % 3]) for i in range(n_rows)]


def write_csv(path, rows, header=("text", "label")):
    """Write a CSV file as Python's own module does: RFC 4180."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


# Of the checks that a run makes unless told not to: those that most tests do not look at.
WITHOUT_CHECKS = dict.fromkeys(("outliers", "near_duplicates", "imbalance", "text"))


def make_config(path, workspace="unused", **sections):
    """Return the configuration of a table whose columns are `text` and `label`.

    Its checks are those of `sections`, and of the others exact duplicates alone; nothing is asked.
    """
    source = {"path": path and str(path), "text": "text", "label": "label"}
    source |= sections.pop("input", {})
    checks = WITHOUT_CHECKS | sections.pop("checks", {})
    others = {"ask": {"rows": None}, **sections}
    return configfile.parse_config(
        {"input": source, "workspace": str(workspace), "checks": checks, **others}
    )


def make_checks(**checks):
    """Return the checks of `make_config`."""
    return ChecksConfig(**WITHOUT_CHECKS | checks)


def make_run(lake, config=None):
    """Return what a stage is given that reads nothing from outside."""
    inputs = Inputs(source=None)
    return Run(lake=lake, config=config or make_config("x.csv"), inputs=inputs)


def make_table(lake, name, rows, schema=None):
    """Put a table, of a Spark schema or of the types that the rows have, into a workspace."""
    folder = Path(lake.files.path(name))
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=schema and to_arrow_schema(schema))
    pq.write_table(table, folder / f"part-{len(list(folder.iterdir()))}.parquet")


def text_key(text):
    """Return what makes two texts the same text."""
    return hashlib.sha256(normalize("NFC", text).encode()).digest()


def corpus_row(row_id, text, /, label=0, *, fold=0, shard=0, **source):
    """Return a row of corpus/ whose classes are called a, b, c …"""
    return {
        "row_id": row_id,
        "text": text,
        "text_key": text_key(text),
        "label": label,
        "given_label": "abcdefgh"[label],
        "fold": fold,
        "shard": shard,
        "source": {"label": "abcdefgh"[label], **source},
    }


_FIGURES = {
    "ingest": {
        "classes": [],
        "class_counts": [],
        "rejected": {},
        "n_shards": 1,
        "own_vectors": False,
        "input_columns": {"type": "struct", "fields": []},
    },
    "crossval": {"mode": "shard", "why": "", "not_converged": 0, "cpu_seconds": 0.0},
    "decide": {"decisions": {}, "own_decisions": {}, "dropped_for": {}, "kept_for_class": {}},
}


def make_commit(lake, stage, **figures):
    """Put the record of a stage into a workspace; figures that are not given are of no rows."""
    figures = _FIGURES.get(stage, {}) | figures
    report = StageReport(rows_in=0, rows_out=0, reads={}, figures=figures)
    lake.commit(stage, "made by a test", 0.0, report)


def found_by(report):
    """Return what a stage has found, as JSON, and its warnings."""
    return {**to_json(report.figures), "warnings": [*report.warnings]}


def make_pred_probs(lake, labels, pred_probs):
    """Put pred_probs/ into a workspace, in three files; row ids keep the rows' order."""
    rows = [
        {"row_id": f"{i:05}", "label": int(label), "pred_probs": list(probs)}
        for i, (label, probs) in enumerate(zip(labels, pred_probs.tolist(), strict=True))
    ]
    for part in (rows[2::3], rows[0::3], rows[1::3]):
        make_table(lake, "pred_probs", part)
    classes = [f"class {k}" for k in range(pred_probs.shape[1])]
    make_commit(lake, "ingest", classes=classes)


def labels_and_pred_probs(workspace):
    """Return a run's labels and probabilities as cleanlab takes them, in row id order."""
    table = read_table(workspace, "pred_probs")
    labels, pred_probs = (table.column(name).to_pylist() for name in ("label", "pred_probs"))
    return np.array(labels), np.array(pred_probs, np.float64)


def read_table(workspace, name):
    """Return a table as Arrow, its rows ordered by id where they have one."""
    table = dataset.dataset(str(Path(workspace, name)), format="parquet").to_table()
    return table.sort_by("row_id") if "row_id" in table.column_names else table


def read_rows(workspace, name):
    """Return a table's rows as dictionaries, ordered by id where they have one."""
    return read_table(workspace, name).to_pylist()


def read_json(workspace, name):
    """Return the content of a workspace's JSON file."""
    return json.loads(Path(workspace, name).read_text(encoding="utf-8"))


def tables_of(workspace):
    """Return the names of what a run has left in a workspace, beside its configuration."""
    found = {path.name for path in Path(workspace).glob("*")}
    return found - {"config.yaml", "_commits", "_staging", "_versions"}


def assert_keeps_the_contracts(workspace, source=None):
    """Run the contract checker, where the development environment has it."""
    if CHECK_WORKSPACE.exists():
        check = _contract_checker()["check"]
        breaches = list(check(Path(workspace), source and Path(source)))
        assert not breaches, breaches


@functools.cache
def _contract_checker():
    return runpy.run_path(str(CHECK_WORKSPACE))


class Recorder(Observer):
    """An observer that remembers: which stages ran, which were found done, the warnings."""

    def __init__(self):
        self.ran, self.resumed, self.warnings = [], [], []

    def finished(self, commit, *, resumed):
        """See `pipeline.Observer`."""
        (self.resumed if resumed else self.ran).append(commit.name)

    def warned(self, message):
        """See `pipeline.Observer`."""
        self.warnings.append(message)


@functools.cache
def sample_run(spark):
    """Run the quickstart's sample once for all tests that only read its workspace."""
    workspace = tempfile.mkdtemp(prefix="lakewinnow-tests-")
    atexit.register(shutil.rmtree, workspace, ignore_errors=True)
    config = configfile.load_config(
        ROOT / "conf" / "quickstart.yaml",
        overrides=[f"workspace={workspace}", "crossval.folds=5"],
    )
    return config, lakewinnow.run(config, spark)


def lake_in(spark, folder):
    """Return a lake with nothing in it."""
    return Lake(spark, str(folder))

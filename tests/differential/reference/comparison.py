"""A case's configuration and input beside what a run of it has written; what differs is noted."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml

from plain_values import plain

SCORES = 1e-9
_FEW = 3


class Comparison:
    """What of a run has been compared so far, and what differs.

    Parameters
    ----------
    case : a folder that `corpora.write_case` has written
    workspace : of a run of it
    """

    def __init__(self, case, workspace):
        self.case, self.workspace = Path(case), Path(workspace)
        self.config = yaml.safe_load((self.case / "config.yaml").read_text())
        self.table = pq.read_table(self.case / "input-1" / "part-0.parquet")
        self.n_values, self.n_lost, self.differences = 0, 0, []

    def read(self, name):
        """Return the rows of a table of the run."""
        files = [p for p in (self.workspace / name).rglob("*.parquet") if p.name[0] not in "_."]
        return [row for p in files for row in pq.read_table(p).to_pylist(maps_as_pydicts=None)]

    def json(self, name):
        """Return a document of the run."""
        return json.loads((self.workspace / name).read_text())

    def same(self, what, run, reference, tolerance=None):
        """Compare values by key."""
        wrong = [f"{key}: only in one" for key in run.keys() ^ reference.keys()]
        for key in run.keys() & reference.keys():
            self.n_values += 1
            if not _is_same(run[key], reference[key], tolerance):
                wrong.append(f"{key}: {run[key]!r} ≠ {reference[key]!r}")
        if wrong:
            few = "; ".join(wrong[:_FEW])
            self.differences.append(f"{what}: {len(wrong)} differ; {few}"[:1500])

    def same_cells(self, what, run, reference, tolerance=None):
        """Compare the numbers of two arrays."""
        self.same(
            what, *(dict(np.ndenumerate(np.asarray(of))) for of in (run, reference)), tolerance
        )


def _is_same(left, right, tolerance):
    if isinstance(left, list) and isinstance(right, list):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(_is_same(a, b, tolerance) for a, b in pairs)
    if tolerance is not None:
        return bool(abs(left - right) <= tolerance)
    return bool(left == right)


def content(values, names):
    """Return a row as text that tells what differs: NaN is NaN, and -0.0 is not 0.0."""
    return "; ".join(f"{name}={plain(values[name])}" for name in names)

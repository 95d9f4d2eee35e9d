"""A workspace with a finished run, whose next one is disturbed, and what that must come to."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from builders import CLEAR
from lakewinnow.config.file import load_config
from lakewinnow.lake.files import Files
from lakewinnow.lake.reading import read, verify
from lakewinnow.pipeline.catalog import graph_of

VICTIM = Path(__file__).parent / "victim.py"
KILLED = -signal.SIGKILL
LOST = 6  # the exit code of a run whose engine is gone, or whose disk is full
COMPARED = ("clean", "review", "dropped", "quarantine", "issues", "pred_probs", "corpus")
SECTIONS = {
    "input": {"format": "parquet", "embedding": "v", "text": "text", "label": "label"},
    "crossval": {"folds": 3},
    "checks": {"outliers": {}, "near_duplicates": {}},
    "clean": {"label_issues": "review"},
    "export": {"format": "openai-chat"},
}
N_BEFORE, N_ROWS = 40, 60


def write_input(path, n_rows, seed):
    """Write rows with vectors; some labels are wrong, and some texts are missing."""
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

    def __init__(self, folder, engine="sail"):
        self.root, self.input = folder / "out", folder / "rows.parquet"
        self.config, self.engine = folder / "config.yaml", engine

    def begin(self, **sections):
        """Make the first run."""
        write_input(self.input, N_BEFORE, seed=1)
        self.configure(**sections)
        self.succeed()
        write_input(self.input, N_ROWS, seed=2)
        return self

    def configure(self, **sections):
        """Write the configuration."""
        source = SECTIONS["input"] | {"path": str(self.input)} | sections.pop("input", {})
        whole = {**SECTIONS, **sections, "input": source, "workspace": str(self.root)}
        self.config.write_text(yaml.safe_dump(whole))
        return self

    def copy_to(self, folder):
        """Return a place with a workspace like this one's; they share the input."""
        other = Place(folder, self.engine)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.root, other.root)
        config = self.config.read_text().replace(str(self.root), str(other.root))
        other.config.write_text(config)
        return other

    def run(self, fault="", stage="", when="", *arguments, **options):
        """Run the command, and do something to it once."""
        given = [self.config, self.engine, fault, stage, when, *arguments]
        command = [sys.executable, VICTIM, *map(str, given)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=3600, **options
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def succeed(self, *given, **options):
        """Run the command, which is to end well whatever is done to it."""
        done = self.run(*given, **options)
        assert done.returncode == 0, done.stderr
        return done

    def tables(self):
        """Read what the last run has left."""
        found = {name: read(self.root, name) for name in COMPARED}
        return {
            name: rows.sort_by("row_id") if "row_id" in rows.column_names else rows
            for name, rows in found.items()
        }

    def bytes_of(self, name):
        """Return the content of the files of a table."""
        return sorted(file.read_bytes() for file in self._files(name))

    def rows_of(self, name):
        """Return the rows of the files of a table, in their order."""
        return sorted((pq.read_table(file).to_pylist() for file in self._files(name)), key=str)

    def _files(self, name):
        return [Path(self.root, name, path) for path in Files(str(self.root)).listed(name)]

    def exports(self):
        """Return the content of the files for fine-tuning."""
        files = Path(self.root, "exports").glob("*.jsonl")
        return {file.name: file.read_bytes() for file in files}

    def check_last_run(self, before):
        """Make sure that the last run is as it was."""
        assert self.tables() == before
        assert verify(self.root).faults == []

    def check_the_same(self, undisturbed):
        """Make sure that the last run came to what an undisturbed one did, on Sail to the byte.

        The Parquet files of one Java process differ from another's in the order of encodings in a
        footer. Executors of a cluster hand rows over in any order, so there files differ in that.
        """
        assert self.tables() == undisturbed.tables()
        assert verify(self.root).faults == []
        for name in ("clean", "review", "dropped"):
            if self.engine == "sail":
                assert self.bytes_of(name) == undisturbed.bytes_of(name)
            elif self.engine == "spark":
                assert self.rows_of(name) == undisturbed.rows_of(name)
        assert self.exports() == undisturbed.exports()
        rows = Files(str(self.root)).read_json("manifest.json")["rows"]
        assert rows["in"] == N_ROWS == sum(n for name, n in rows.items() if name != "in")

    def stages(self):
        """Return the names of the stages of a run."""
        return list(graph_of(load_config(self.config)))


def beginning(folder, engine="sail"):
    """Return a place whose next run is to be disturbed, and one where it was not."""
    place = Place(folder / "place", engine).begin()
    undisturbed = place.copy_to(folder / "undisturbed")
    undisturbed.succeed()
    assert undisturbed.tables() != place.tables()
    return place, undisturbed

"""Bad input: thousands of generated inputs in one session, none of which may end in a traceback.

python tests/fuzz/suite.py [--inputs 2000] [--seed N] [--engine sail] [--only KIND] [--keep FOLDER]

Of every input: what is said of an error names a place and a way out; no row is lost, and those that
are kept are the input's, field by field. A failure's files are kept. The seed is printed, and makes
the same inputs again of the same code and the same options: hypothesis also tries constants of
modules that are loaded.
"""

import argparse
import contextlib
import io
import logging
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import hypothesis
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import HealthCheck, Phase
from pyarrow import dataset

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import WITHOUT_CHECKS, make_config, messages, write_csv
from fuzz import grammar
from fuzz.tables import tables
from lakewinnow.cli import exit_code_of
from lakewinnow.config.file import to_dict
from lakewinnow.spark.sessions.session import running
from plain_values import plain

# Of 100 inputs: a configuration takes milliseconds, a whole run a second or two.
TEXTS = {"text": "text", "label": "label"}
SHARES = {"special": 0, "configuration": 45, "csv": 18, "json": 12, "table": 20, "run": 5}
EXPECTED = (0, 2, 3, 4)  # bad input is none of the engine's faults
UNHANDLED = "run again with --debug"


class Suite:
    """What has been found so far."""

    def __init__(self, seed, keep):
        self.seed, self.keep = seed, keep
        self.n_inputs, self.codes = Counter(), Counter()
        self.n_rows = 0
        self.failures = []

    def command(self, *arguments):
        """Run the command in this process: its exit code, and what it says."""
        out, err = io.StringIO(), io.StringIO()
        handlers = logging.getLogger().handlers
        logging.getLogger().handlers = []
        try:
            with (
                warnings.catch_warnings(),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                warnings.simplefilter("ignore")
                code = exit_code_of(list(map(str, arguments)))
        finally:
            logging.getLogger().handlers = handlers
        return code, out.getvalue(), err.getvalue()

    def check(self, kind, number, folder, config):
        """Give an input to the command, and note what is wrong with what becomes of it."""
        command = ["plan"] if kind == "configuration" else ["run"]
        stage = [] if kind in ("run", "configuration") else ["--until", "ingest"]
        self.n_inputs[kind] += 1
        try:
            code, out, err = self.command(*command, config, *stage)
            self.codes[kind, code] += 1
            wrong = list(_wrong_with(code, out, err))
            if code == 0 and kind != "configuration":
                wrong += self._lost(kind, folder)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            wrong, err = [f"{type(error).__name__}: {error}"[:500]], ""
        if wrong:
            self.failures.append((kind, number, wrong[0]))
            place = self.keep / f"{kind}-{number}"
            shutil.copytree(folder, place, dirs_exist_ok=True)
            (place / "said.txt").write_text(err, errors="replace")
            print(f"{kind} {number}: {wrong[0]}", flush=True)

    def _lost(self, kind, folder):
        workspace = folder / "out"
        names = ["clean", "review", "dropped"] if kind == "run" else ["corpus"]
        found = {  # whose columns may have any name and type, so that nothing can be sorted by one
            name: dataset.dataset(str(workspace / name), format="parquet").to_table()
            for name in (*names, "quarantine")
        }
        n_found = sum(len(table) for table in found.values())
        source = folder / "rows"
        if not source.exists():
            self.n_rows += n_found
            return
        given = pa.concat_tables([pq.read_table(file) for file in sorted(source.iterdir())])
        self.n_rows += len(given)
        if n_found != len(given):
            yield f"{len(given)} rows in, {n_found} out"
            return
        left = Counter(map(plain, given.to_pylist()))
        for name, table in found.items():
            rows = table.to_pylist()
            if name == "corpus":
                keys = yaml.safe_load((folder / "config.yaml").read_text())["input"]
                rows = [{**row["source"], keys["text"]: row["text"]} for row in rows]
            for row in rows:
                left[plain({key: row.get(key, "(none)") for key in given.column_names})] -= 1
        wrong = [row for row, n in left.items() if n]
        if wrong:
            yield f"rows are not as they came: {wrong[0][:300]}"

    def report(self, seconds):
        """Print what was done, and what was found."""
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in self.n_inputs.items())
        codes = ", ".join(f"{n:,} {k} {code}" for (k, code), n in sorted(self.codes.items()))
        print(f"\n{self.n_inputs.total():,} inputs in {seconds:.0f} s, seed {self.seed}: {kinds}")
        print(f"exit codes: {codes}")
        print(f"{self.n_rows:,} rows went in, and came out")
        print(f"{len(self.failures):,} failures" + (f", in {self.keep}" if self.failures else ""))


def _wrong_with(code, out, err):
    if "Traceback (most recent call last)" in out + err:
        yield "a traceback: " + err[-300:]
    if code not in EXPECTED or UNHANDLED in err:
        yield f"exit code {code}: {err[-400:]}"
    if code:
        lines = err.splitlines()
        at = [i for i, line in enumerate(lines) if line.startswith("lakewinnow: error: ")]
        if not at:
            yield f"exit code {code} without an error: {err[-300:]}"
        for i in at:
            if ": expected " not in lines[i]:
                yield f"an error without its place: {lines[i][:300]}"
            if not "".join(lines[i + 1 : i + 2]).startswith("hint: "):
                yield f"an error without a way out: {lines[i][:300]}"
    said = out + err
    if any(ord(c) < 32 and c not in "\n\t\r" for c in said) or "\x9b" in said:
        yield f"control characters: {said[:300]!r}"


def _numbers(kind, n_inputs, seed):
    """Give numbers of inputs and what is random of each."""
    for number in range(n_inputs):
        yield number, random.Random(f"{seed} {kind} {number}")


def _write(folder, source, **sections):
    folder.mkdir(parents=True)
    content = {
        "input": source,
        "workspace": str(folder / "out"),
        "crossval": {"folds": 2},
        "checks": WITHOUT_CHECKS,
        **sections,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    return folder / "config.yaml"


@contextlib.contextmanager
def _folder():
    folder = Path(tempfile.mkdtemp(prefix="lakewinnow-fuzz-"))
    try:
        yield folder / "case"
    finally:
        shutil.rmtree(folder)


def files(suite, kind, n_inputs):
    """Give malformed files of a format to ingest."""
    make = grammar.csv_file if kind == "csv" else grammar.json_file
    for number, rng in _numbers(kind, n_inputs, suite.seed):
        with _folder() as folder:
            path = folder / f"rows.{kind}"
            source = {"path": str(path), "text": "text", "label": "label"}
            config = _write(folder, source)
            path.write_bytes(make(rng))
            suite.check(kind, number, folder, config)


def configurations(suite, n_inputs):
    """Give mutations of the configuration to `plan`."""
    with _folder() as home:
        home.mkdir()
        path = write_csv(home / "rows.csv", messages(12))
        whole = to_dict(make_config(path, home / "out"))
        for number, rng in _numbers("configuration", n_inputs, suite.seed):
            with _folder() as folder:
                folder.mkdir()
                config = folder / "config.yaml"
                text = grammar.configuration(rng, whole)
                config.write_text(text, encoding="utf-8", errors="surrogatepass")
                suite.check("configuration", number, folder, config)


def typed(suite, kind, n_inputs):
    """Give tables of every type to ingest, or to a whole run."""
    number = -1

    @hypothesis.seed(f"{suite.seed} {kind}")
    @hypothesis.settings(
        max_examples=n_inputs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(tables(is_usable=kind == "run"))
    def each(drawn):
        nonlocal number
        number += 1
        table, source, n_files = drawn
        with _folder() as folder:
            config = _write(folder, {"path": str(folder / "rows"), "format": "parquet", **source})
            (folder / "rows").mkdir()
            for i in range(n_files):  # of few rows, some are empty
                at = range(i, len(table), n_files)
                pq.write_table(
                    table.take(pa.array(at, pa.int64())), folder / "rows" / f"{i}.parquet"
                )
            suite.check(kind, number, folder, config)

    each()


def extremes():
    """Give tables of a size or a shape at an end, by name."""
    label = ["x", "y"] * 10
    yield "10 MB in a row", {"text": ["a b c " * 1_700_000, *map(str, range(19))], "label": label}
    classes = [f"class {i}" for i in range(10_001)]
    yield "10,001 classes", {"text": classes, "label": classes}
    yield "10,000 classes", {"text": classes[1:], "label": classes[1:]}
    yield "one row", {"text": ["a"], "label": ["x"]}
    yield "no row", {"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}
    yield "all rows equal", {"text": ["a"] * 20, "label": ["x"] * 20}
    yield "equal texts", {"text": ["a"] * 20, "label": label}
    yield "no text", {"text": [None] * 20, "label": label}
    yield "a class a row", {"text": classes[:20], "label": classes[:20]}
    yield "1,000 columns", {"text": label, "label": label, **{f"c{i}": label for i in range(1000)}}


def special(suite, _):
    """Give what is at an end to a whole run, and files without a byte to ingest."""
    for name, columns in extremes():
        with _folder() as folder:
            config = _write(folder, {"path": str(folder / "rows"), "format": "parquet", **TEXTS})
            (folder / "rows").mkdir()
            pq.write_table(pa.table(columns), folder / "rows" / "0.parquet")
            # The vectors of 10,000 classes take minutes to learn from
            suite.check("special" if "classes" in name else "run", name, folder, config)
    for ending in ("csv", "json", "parquet"):
        with _folder() as folder:
            path = folder / f"rows.{ending}"
            config = _write(folder, {"path": str(path), **TEXTS})
            path.write_bytes(b"")
            suite.check("special", f"an empty {ending}", folder, config)


def run(n_inputs, seed, keep, only=None):
    """Give so many inputs to the command, in the session there is; return the suite."""
    suite, started = Suite(seed, Path(keep)), time.monotonic()
    for kind, share in SHARES.items():
        n = max(1, n_inputs * share // 100)
        if only == kind or (only is None and (share or n_inputs >= 500)):
            if kind == "special":
                special(suite, n)
            elif kind == "configuration":
                configurations(suite, n)
            elif kind in ("csv", "json"):
                files(suite, kind, n)
            else:
                typed(suite, kind, n)
    suite.report(time.monotonic() - started)
    return suite


def main():
    """Run the suite from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--engine", default="sail")
    parser.add_argument("--only", choices=SHARES)
    parser.add_argument("--keep", default="fuzz-failures")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with running(engine=given.engine):
        suite = run(given.inputs, given.seed, given.keep, given.only)
    sys.exit(bool(suite.failures))


if __name__ == "__main__":
    main()

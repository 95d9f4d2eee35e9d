"""The same random corpora through every engine, in 1, 3 and 7 partitions, and a plain reference.

python tests/differential/suite.py [--corpora 200] [--seed 0] [--engines sail,classic,connect]
                                   [--partitions 1,3,7] [--each] [--keep FOLDER]

Of every corpus: all runs write the same, bit for bit, with files in another order and number; and
what they write is what `reference` says by the published rules: flags, decisions and reasons,
scores within 1e-9; no row is lost. A failure's files are kept. The seed of a corpus is its number.

A corpus is run in each number of partitions, but in one of them an engine, by its seed: what is
equal to one of equal things is equal to all. ``--each`` runs it on each engine in each, for hours.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import ROOT
from differential import comparing, corpora
from differential.reference.against import compare

ENGINES = ("sail", "classic", "connect")
ERROR = "error.txt"
_AT_ONCE = 60  # corpora that a process is started for: each start takes seconds
_SHOWN = 5  # differences of a corpus


class Suite:
    """What has been compared so far, and what was found."""

    def __init__(self, keep):
        self.keep = Path(keep)
        self.n_corpora, self.n_rows, self.n_lost = 0, 0, 0
        self.n_runs, self.n_pairs, self.n_values = Counter(), 0, 0
        self.errors, self.failures = Counter(), []

    def check(self, case, names):
        """Compare the runs of a case with each other and with the reference.

        Parameters
        ----------
        case : a folder that `corpora.write_case` has written
        names : of its runs' folders, ENGINE-PARTITIONS
        """
        first, *others = (case / name for name in names)
        found = []
        for other in others:
            self.n_pairs += 1
            wrong = comparing.differences(first, other)
            found += [f"{first.name} ≠ {other.name}, {line}" for line in wrong]
        self.n_corpora += 1
        self.n_runs.update(name.partition("-")[0] for name in names)
        error = first / ERROR
        if error.exists():
            said = error.read_text()
            self.errors[said.split(":")[0]] += 1
            found += [said] if said.startswith("not ours") else []
        else:
            beside = compare(case, first)
            found += [f"{first.name} ≠ the reference, {line}" for line in beside.differences]
            self.n_rows += beside.table.num_rows
            self.n_values += beside.n_values
            self.n_lost += abs(beside.n_lost)
        if found:
            self.failures.append((case.name, found))
            print(f"{case.name}:", *found[:_SHOWN], sep="\n  ", flush=True)
            if self.keep != case.parent:
                shutil.copytree(case, self.keep / case.name, dirs_exist_ok=True)

    def report(self, seconds):
        """Print what was compared, and what was found."""
        runs = ", ".join(f"{n:,} on {engine}" for engine, n in self.n_runs.items())
        print(
            f"\n{self.n_corpora:,} corpora, {self.n_runs.total():,} runs ({runs}), {seconds:.0f} s"
        )
        print(f"{self.n_pairs:,} pairs of runs compared bit by bit")
        print(f"{self.n_values:,} values compared with the reference")
        for said, n in self.errors.most_common():
            print(f"{n:,} ended in one error on all engines: {said}")
        print(f"{self.n_rows:,} rows went in, lost: {self.n_lost:,}")
        print(f"{len(self.failures):,} failures" + (f", in {self.keep}" if self.failures else ""))


def run_cases(engine, n_partitions, cases):
    """Run cases in a process of their own, which has one kind of session."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("runs.py"))]
    path = os.pathsep.join(filter(None, [str(ROOT / "lib"), os.environ.get("PYTHONPATH")]))
    subprocess.run(
        [*command, engine, str(n_partitions), *map(str, cases)],
        env=os.environ | {"PYTHONPATH": path},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def planned(seed, engines, partitions, *, each):
    """Return the engines and numbers of partitions that a corpus is run with."""
    if each or len(engines) == 1:
        return [(engine, n) for engine in engines for n in partitions]
    return [(of, partitions[(seed + at) % len(partitions)]) for at, of in enumerate(engines)]


def run_on(engine, runs):
    """Run on an engine what is planned: cases by their numbers of partitions."""
    for n, cases in runs[engine].items():
        run_cases(engine, n, cases)


def run(seeds, engines, partitions, keep, *, each=False):
    """Compare the corpora of some seeds on some engines; return the suite."""
    suite, started = Suite(keep), time.monotonic()
    for at in range(0, len(seeds), _AT_ONCE):
        with tempfile.TemporaryDirectory(prefix="lakewinnow-differential-") as folder:
            runs = {engine: defaultdict(list) for engine in engines}
            names = {}
            for seed in seeds[at : at + _AT_ONCE]:
                case = Path(folder) / f"seed-{seed:03d}"
                corpora.write_case(case, seed)
                plan = planned(seed, engines, partitions, each=each)
                names[case] = [f"{engine}-{n}" for engine, n in plan]
                for engine, n in plan:
                    runs[engine][n].append(case)
            with ThreadPoolExecutor(len(engines)) as pool:
                list(pool.map(partial(run_on, runs=runs), engines))
            for case, of_case in names.items():
                suite.check(case, of_case)
        seconds = time.monotonic() - started
        print(
            f"{suite.n_corpora:,} corpora, {seconds:.0f} s, {len(suite.failures)} failures",
            flush=True,
        )
    suite.report(time.monotonic() - started)
    return suite


def main():
    """Run the suite from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first corpus")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--partitions", default=",".join(map(str, corpora.SPLITS)))
    parser.add_argument("--each", action="store_true", help="of --partitions, on Spark too")
    parser.add_argument("--keep", default="differential-failures")
    given = parser.parse_args()
    seeds = range(given.seed, given.seed + given.corpora)
    partitions = list(map(int, given.partitions.split(",")))
    suite = run(seeds, given.engines.split(","), partitions, given.keep, each=given.each)
    sys.exit(bool(suite.failures))


if __name__ == "__main__":
    main()

"""A whole run on Sail and on local Spark beside a plain script: seconds, memory, megabytes.

    .venv/bin/python tests/bench/engines.py sample politeness 100k 1M --repeats 3 --stages

A corpus is `sample` (conf/sample), `politeness` (../shared/data) or a number of texts, which are
made (corpora.py). Each run is a process of its own, in turn with the others, and a figure is the
median of --repeats. `cold` is from the start of the process to its end, interpreter, imports and
the engine's start included; `warm` a second run in the same process, into another workspace. Memory
is the peak of all processes of the cold run together, memory that they share counted once.

The script is plain.py. C is 1.0 for all unless --C says another, so nobody spends time choosing.
`as plain` is ours without the checks that the script does not do: duplicates, near duplicates,
neighbours and outliers, imbalance, texts. Embeddings are made anew each time, static ones, by the
script too.

--installed says how many megabytes each needs on disk, and how long they took to install (pip into
an empty folder; what pip has in its cache is not downloaded).
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import corpora
import pandas as pd
import watched

ROOT = Path(__file__).parents[2]
ENGINES = ("sail", "spark", "plain")
VARIANTS = ("default", "as plain")
NOT_IN_SCRIPT = (
    *("exact_duplicates", "near_duplicates", "neighbors", "outliers", "imbalance", "text"),
)
# What pip installs for each; the script's packages are those that plain.py imports.
REQUIREMENTS = {
    "sail": [f"{ROOT}[sail]"],
    "spark": [f"{ROOT}[java]"],
    "plain": ["pandas", "pyarrow", "model2vec", "wordllama", "scikit-learn", "cleanlab"],
}
PACKAGES = ("pyspark", "pyspark-client", "pysail", "scikit-learn", "cleanlab", "model2vec", "numpy")

# Twice in one process. Their standard output is one line: the second run's seconds.
AGAIN = """
import json, sys, time
import lakewinnow
engine, out, *overrides = sys.argv[1:]
spark = lakewinnow.session(engine=engine)
for nth in ("first", "second"):
    config = lakewinnow.load_config(overrides=[*overrides, f"workspace={out}/{nth}"])
    started = time.monotonic()
    lakewinnow.run(config, spark)
    seconds = time.monotonic() - started
print(json.dumps({"seconds": seconds}))
"""


@dataclass(frozen=True)
class Corpus:
    """A table, and which of its columns are what."""

    name: str
    path: Path
    text: str
    label: str
    identifier: str = "null"


@dataclass
class Measured:
    """What the repeats of a corpus by an engine came to."""

    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    gib: list[float] = field(default_factory=list)
    n_found: int = 0
    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    """Parse the arguments, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", nargs="*", metavar="CORPUS")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-warm", action="store_true", help="cold runs alone")
    parser.add_argument("--C", default="1.0", help="of the classifier; auto: ours chooses")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="for our runs")
    parser.add_argument("--parquet", action="store_true", help="turn CSV files to Parquet first")
    parser.add_argument("--stages", action="store_true", help="add a table of stages' seconds")
    parser.add_argument("--installed", action="store_true", help="measure the installed packages")
    parser.add_argument("--scratch", type=Path, help="folder for corpora and workspaces")
    options = parser.parse_args()
    print(machine())
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        if options.installed:
            print_installed(options.engines, Path(folder))
        found: dict[tuple[str, str], Measured] = {}
        for name in options.corpora:
            corpus = corpus_named(name, Path(folder), as_parquet=options.parquet)
            measured = {who: Measured() for who in contenders(options)}
            for _ in range(options.repeats):
                for who, into in measured.items():
                    load.append(os.getloadavg()[0])
                    measure(who, corpus, into, options)
            found |= {(name, who): into for who, into in measured.items()}
    if found:
        print_table(found)
    if found and options.stages:
        print_stages(found)
    print(f"\nLoad average when a run began: {min(load):.1f} to {max(load):.1f}")


def contenders(options: argparse.Namespace) -> list[str]:
    """Return engines and variants in the order to run; the script last, as it is told a C."""
    ours = [
        engine if variant == "default" else f"{engine}, {variant}"
        for engine in options.engines
        if engine != "plain"
        for variant in options.variants
    ]
    return ours + ["plain"] * ("plain" in options.engines)


def corpus_named(name: str, folder: Path, *, as_parquet: bool) -> Corpus:
    """Return a corpus, made in `folder` if it is a number of texts."""
    if name == "sample":
        corpus = Corpus(name, ROOT / "conf/sample/support.csv", "message", "queue", "ticket")
    elif name == "politeness":
        path = ROOT.parent / "shared/data/politeness/train.csv"
        corpus = Corpus(name, path, "prompt", "completion")
    else:
        n_rows = int(float(name.lower().replace("k", "e3").replace("m", "e6")))
        corpus = Corpus(name, folder / f"{name}.parquet", "text", "label", "id")
        if not corpus.path.exists():
            corpora.write(corpus.path, n_rows)
        return corpus
    if as_parquet:
        path = folder / f"{name}.parquet"
        pd.read_csv(corpus.path).to_parquet(path)
        corpus = Corpus(name, path, corpus.text, corpus.label, corpus.identifier)
    return corpus


# --- runs ---------------------------------------------------------------------------------------


def measure(who: str, corpus: Corpus, into: Measured, options: argparse.Namespace) -> None:
    """Measure a cold and a warm run once."""
    engine, _, variant = who.partition(", ")
    scratch = {"dir": options.scratch, "prefix": "engines-"}
    with tempfile.TemporaryDirectory(**scratch) as folder:
        out = Path(folder)
        if engine == "plain":
            command = plain_command(corpus, out, options)
        else:
            command = our_command(engine, variant, corpus, out, options)
        output, gib, seconds = watch(command, out)
        into.cold.append(seconds)
        into.gib.append(gib)
        if engine == "plain":
            figures = json.loads(output)
            into.n_found, stages = figures["found"], figures["stages"]
        else:
            into.n_found, stages = results_of(out / "workspace")
        for name, seconds in stages.items():
            into.stages[name].append(seconds)
        into.stages["outside"].append(into.cold[-1] - sum(stages.values()))
    if options.no_warm:
        return
    with tempfile.TemporaryDirectory(**scratch) as folder:
        out = Path(folder)
        if engine == "plain":
            command = [*plain_command(corpus, out, options), "--again"]
        else:
            overrides = settings(corpus, variant, options)
            command = [sys.executable, "-c", AGAIN, engine, folder, *overrides]
        output, _, _ = watch(command, out)
        into.warm.append(json.loads(output)["seconds"])


def watch(command: list[str], out: Path) -> tuple[str, float, float]:
    """Run; return output, peak GiB and seconds. What a run that fails has said last is printed."""
    log = out / "stderr"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")}  # of this checkout
    started = time.monotonic()
    try:
        with log.open("w") as stderr:
            output, gib = watched.run(command, stderr=stderr, env=environment)
    except SystemExit:
        print("\n".join(log.read_text().splitlines()[-20:]), file=sys.stderr)
        raise
    return output, gib, time.monotonic() - started


def our_command(
    engine: str, variant: str, corpus: Corpus, out: Path, options: argparse.Namespace
) -> list[str]:
    """Return the command line of a run; all of its configuration is in it."""
    config = out / "config.yaml"
    config.write_text(f"workspace: {out / 'workspace'}\n")
    overrides = [
        part for setting in settings(corpus, variant, options) for part in ("--set", setting)
    ]
    program = str(Path(sys.executable).with_name("lakewinnow"))
    return [program, "run", str(config), "--engine", engine, *overrides]


def settings(corpus: Corpus, variant: str, options: argparse.Namespace) -> list[str]:
    """Return what a run's configuration is, over the defaults."""
    return [
        f"input.path={corpus.path}",
        f"input.format={corpus.path.suffix[1:]}",
        f"input.text={corpus.text}",
        f"input.label={corpus.label}",
        f"input.id={corpus.identifier}",
        f"crossval.params.C={options.C}",
        *(f"checks.{name}=null" for name in NOT_IN_SCRIPT if variant == "as plain"),
        *options.set,
    ]


def plain_command(corpus: Corpus, out: Path, options: argparse.Namespace) -> list[str]:
    """Return the command line of the script."""
    columns = ["--text", corpus.text, "--label", corpus.label]
    strength = [] if options.C == "auto" else ["--C", options.C]
    script = str(ROOT / "tests/bench/plain.py")
    return [sys.executable, script, str(corpus.path), *columns, "--out", str(out), *strength]


def results_of(workspace: Path) -> tuple[int, dict[str, float]]:
    """Return how many label issues a run has found, and its stages' seconds."""
    summary, manifest = (
        json.loads((workspace / name).read_text()) for name in ("summary.json", "manifest.json")
    )
    stages = {stage["name"]: stage["seconds"] for stage in manifest["stages"]}
    return summary["label_issues"]["n"], stages


# --- tables -------------------------------------------------------------------------------------


def print_table(found: dict[tuple[str, str], Measured]) -> None:
    """Print a row for each corpus and contender."""
    print("\n| corpus | by | cold, s | × script | warm, s | × script | peak GiB | label issues |")
    print("|---|---|---|---|---|---|---|---|")
    for (corpus, who), own in found.items():
        script = found.get((corpus, "plain"))
        cells = [
            corpus,
            who,
            *_seconds(own.cold, script.cold if script else []),
            *_seconds(own.warm, script.warm if script else []),
            f"{statistics.median(own.gib):.2f}",
            f"{own.n_found:,}",
        ]
        print("|", " | ".join(cells), "|")


def _seconds(own: list[float], script: list[float]) -> list[str]:
    if not own:
        return ["", ""]
    median = statistics.median(own)
    return [f"{median:.1f}", f"{median / statistics.median(script):.2f}" if script else ""]


def print_stages(found: dict[tuple[str, str], Measured]) -> None:
    """Print the cold runs' seconds by stage, a table a corpus; `outside` is what no stage has."""
    for corpus in dict.fromkeys(name for name, _ in found):
        columns = {who: own.stages for (name, who), own in found.items() if name == corpus}
        names = dict.fromkeys(stage for stages in columns.values() for stage in stages)
        print(f"\n| {corpus} | {' | '.join(columns)} |")
        print("|---" * (1 + len(columns)) + "|")
        for name in sorted(names, key="outside".__eq__):
            cells = (
                f"{statistics.median(stages[name]):.2f}" if name in stages else ""
                for stages in columns.values()
            )
            print(f"| {name} | {' | '.join(cells)} |")


def print_installed(engines: list[str], folder: Path) -> None:
    """Install what each contender needs into an empty folder of its own, and print its size."""
    print("\n| to install | packages | MB | s |")
    print("|---|---|---|---|")
    for engine in engines:
        target = folder / f"installed-{engine}"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
        started = time.monotonic()
        subprocess.run([*pip, *REQUIREMENTS[engine]], check=True, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        n_bytes = sum(path.lstat().st_size for path in target.rglob("*"))
        n_packages = len(list(target.glob("*.dist-info")))
        print(f"| {engine} | {n_packages} | {n_bytes / 1e6:,.0f} | {seconds:.0f} |")


def machine() -> str:
    """Say what all this was measured on and with."""
    cpu = Path("/proc/cpuinfo").read_text().partition("model name\t: ")[2].partition("\n")[0]
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores of {cpu or platform.machine()}, {gib:.0f} GiB;"
        f" Python {platform.python_version()}, {', '.join(_versions())}"
    )


def _versions() -> Iterator[str]:
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield f"{name} {importlib.metadata.version(name)}"


if __name__ == "__main__":
    main()

"""Rules for texts and redaction beside datatrove's filters: texts a CPU second, and who agrees.

    .venv/bin/python tests/bench/text.py 20000 100000 --peer VENV/bin/python

VENV has datatrove[processing] and spacy, whose tokenizer makes datatrove's words. Texts are made:
documents of 20 to 600 words, frequent as in English, an eighth of them damaged (repeated lines or
runs of words, symbols, lorem ipsum, few stop words), a tenth with an email and an IP address. Each
step runs alone on one thread, and its seconds are of CPU: a machine may have other work to do.
`taken out` is by ours and by theirs; `agree`, the share of texts that both keep or both take out.
datatrove's C4 has the paper's numbers here (3 sentences, lines of 5 words; it defaults to others).
`stage` is ours on two cores through Spark, from Parquet to Parquet, with all presets, and with all
kinds of personal data; seconds as they pass.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakewinnow.checks.pii import PiiConfig
from lakewinnow.checks.pii import stage as pii_stage
from lakewinnow.checks.text import TextConfig
from lakewinnow.checks.text import stage as text_stage
from lakewinnow.checks.text.registry import PRESETS
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.sessions.session import running
from lakewinnow.text import pii
from lakewinnow.text.rules import judge

THEIRS = """
import json, sys, time
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.formatters import PIIFormatter
texts = json.load(open(sys.argv[1]))
steps = {
    "gopher_quality": GopherQualityFilter(),
    "gopher_repetition": GopherRepetitionFilter(),
    "c4": C4QualityFilter(min_num_sentences=3, min_words_per_line=5),
}
found = {}
for name, step in steps.items():
    documents = [Document(text=text, id="") for text in texts]
    step.filter(documents[0])
    started = time.process_time()
    kept = [step.filter(document) is True for document in documents]
    found[name] = [time.process_time() - started, kept]
formatter = PIIFormatter()
started = time.process_time()
redacted = [formatter.format(text) for text in texts]
seconds = time.process_time() - started
found["pii (email, ip)"] = [seconds, [a == b for a, b in zip(texts, redacted)]]
print(json.dumps(found))
"""
STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with", "a", "in", "is", "it", "for"]


def main() -> None:
    """Run both on each size and print a row a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="+", type=int, metavar="TEXTS")
    parser.add_argument("--peer", help="a Python that has datatrove")
    options = parser.parse_args()
    print("| texts | step | ours, texts/s | datatrove, texts/s | taken out | agree |")
    print("|---|---|---|---|---|---|")
    with running() as spark:
        for n_texts in options.sizes:
            texts = make_texts(n_texts)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "corpus", "part-0.parquet")
                path.parent.mkdir()
                ids = [f"{i:07}" for i in range(n_texts)]
                table = pa.table({"row_id": ids, "text": texts})
                pq.write_table(table, path, row_group_size=max(1000, n_texts // 8))
                compare(texts, path, options.peer)
                seconds = run_stages(Lake(spark, folder))
            for stage, took in seconds.items():
                print(f"| {n_texts:,} | stage {stage} | {n_texts / took:,.0f} | | | |", flush=True)


def compare(texts: list[str], path: Path, peer: str | None) -> None:
    """Print a row for each step."""
    theirs = {}
    if peer:
        beside = path.parent.with_name("texts.json")
        beside.write_text(json.dumps(texts), encoding="utf-8")
        command = [peer, "-c", THEIRS, str(beside)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        theirs = json.loads(done.stdout.splitlines()[-1])
    steps: dict[str, Callable[[str], bool]] = {
        name: lambda text, rules=rules: not judge(text, rules).rules
        for name, rules in PRESETS.items()
    }
    kinds = ("email", "ip")
    steps["pii (email, ip)"] = lambda text: pii.redact(text, kinds) == text
    steps["pii (all)"] = lambda text: pii.redact(text) == text
    for name, step in steps.items():
        started = time.process_time()
        kept = [step(text) for text in texts]
        rate = len(texts) / (time.process_time() - started)
        cells = ["", f"{1 - np.mean(kept):.1%}", ""]
        if name in theirs:
            seconds, their_kept = theirs[name]
            agree = np.mean(np.array(kept) == np.array(their_kept))
            out = f"{cells[1]}, {1 - np.mean(their_kept):.1%}"
            cells = [f"{len(texts) / seconds:,.0f}", out, f"{agree:.1%}"]
        print(f"| {len(texts):,} | {name} | {rate:,.0f} | {' | '.join(cells)} |", flush=True)


def run_stages(lake: Lake) -> dict[str, float]:
    """Return how long each stage takes, all presets and all kinds of personal data."""
    seconds = {}
    for name, run in {
        "text": lambda: text_stage.run(
            SimpleNamespace(lake=lake), TextConfig(presets=tuple(PRESETS))
        ),
        "pii": lambda: pii_stage.run(SimpleNamespace(lake=lake), PiiConfig()),
    }.items():
        started = time.monotonic()
        run()
        seconds[name] = time.monotonic() - started
    return seconds


def make_texts(n_texts: int) -> list[str]:
    """Return made documents."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    rare = ["".join(rng.choice(letters, size)) for size in rng.integers(3, 11, 20_000)]
    vocabulary = np.array([*STOP_WORDS, *rare])
    weights = 1 / (np.arange(len(vocabulary)) + 3.0)
    weights /= weights.sum()
    texts = []
    for i in range(n_texts):
        words = rng.choice(vocabulary, rng.integers(20, 600), p=weights).tolist()
        lines = []
        while words:
            size = int(rng.integers(6, 40))
            lines.append(" ".join(words[:size]).capitalize() + rng.choice([".", ".", ".", "?"]))
            words = words[size:]
        texts.append("\n".join(damaged(lines, i % 40, rng)) + (PERSONAL * (i % 10 == 9)))
    return texts


PERSONAL = "\nWrite to jane.doe@example.org or see 37.105.37.15 for all of it."


def damaged(lines: list[str], how: int, rng: np.random.Generator) -> list[str]:
    """Return lines, of five in forty texts with something wrong."""
    if how == 0:
        return lines * 2
    if how == 1:
        return [lines[0], f"{' '.join(lines[0].split()[:6])} " * 20, *lines]
    if how == 2:
        return [f"# {line} {'# ' * 12}" for line in lines]
    if how == 3:
        return ["Lorem ipsum dolor sit amet, she said.", *lines, "function() { return }"]
    if how == 4:
        return [
            " ".join(rng.permutation([w for w in line.split() if len(w) > 4])) for line in lines
        ]
    return lines


if __name__ == "__main__":
    main()

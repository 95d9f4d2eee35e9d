"""Embedding providers: texts a second, alone in a plain process and as the stage on Spark.

    .venv/bin/python tests/bench/embed.py static minilm

static embeds 200,000 texts, minilm (sentence-transformers with its default model) 5,000; ``=N``
after a name takes N instead. A text is one to three sentences of the sample corpus and a number.
The process has all cores, and its seconds include neither imports nor loading the model.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

SAMPLE = Path(__file__).parents[2] / "conf" / "sample" / "support.csv"
PROVIDERS = {"static": ("static", 200_000), "minilm": ("sentence-transformers", 5_000)}
PER_REQUEST = 1_024

PROVIDER_ALONE = """
import json, sys, time
from lakewinnow.config import EmbeddingConfig
from lakewinnow.embedding import registry
provider, n_in_request = sys.argv[1], int(sys.argv[2])
texts = json.load(sys.stdin)
embedder = registry.load(EmbeddingConfig(provider=provider))
embedder.embed(texts[:1])
started, cpu = time.perf_counter(), time.process_time()
for start in range(0, len(texts), n_in_request):
    embedder.embed(texts[start : start + n_in_request])
print(time.perf_counter() - started, time.process_time() - cpu)
"""


def main() -> None:
    """Parse the names, print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(PROVIDERS), metavar="NAME[=N]")
    print(f"{'':>10}{'texts':>10}{'s':>10}{'texts/s':>10}{'CPU s':>10}")
    for name, _, given in (each.partition("=") for each in parser.parse_args().names):
        provider, usual = PROVIDERS[name]
        n_texts = int(float(given)) if given else usual
        seconds, cpu = provider_alone(provider, make_texts(n_texts))
        rate = n_texts / seconds
        print(f"{name:>10}{n_texts:>10}{seconds:>10.2f}{rate:>10.0f}{cpu:>10.2f}", flush=True)


def make_texts(n_texts: int) -> list[str]:
    """Return texts that differ from each other, the same in every run."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        messages = [row["message"] for row in csv.DictReader(file)]
    found = {part.strip() for message in messages for part in message.split(".")}
    sentences = np.array(sorted(found - {""}))
    rng = np.random.default_rng(0)
    texts = rng.choice(sentences, (n_texts, 3))
    n_sentences = rng.integers(1, 4, n_texts)
    return [
        ". ".join([*text[:n], str(number)])
        for number, (text, n) in enumerate(zip(texts, n_sentences, strict=True))
    ]


def provider_alone(provider: str, texts: list[str]) -> tuple[float, float]:
    """Return the seconds, by the clock and of all cores, of a process that does nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", PROVIDER_ALONE, provider, str(PER_REQUEST)],
        input=json.dumps(texts),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, cpu = map(float, done.stdout.split())
    return seconds, cpu


if __name__ == "__main__":
    main()

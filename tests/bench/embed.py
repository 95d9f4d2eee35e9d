"""Embedding: providers alone and as the stage on Spark, and a store that is there already.

    .venv/bin/python tests/bench/embed.py static minilm store

static embeds 200,000 texts, minilm (sentence-transformers with its default model) 5,000; ``=N``
after a name takes N instead. A text is one to three sentences of the sample corpus and a number.
The process alone has all cores, and its seconds include neither imports nor loading the model; the
stage's are the manifest's, with all that Spark adds: shuffling texts, starting Python workers,
loading the model in each, writing the store. Then come those of the stage on as many other texts in
the same session (JVM and workers are warm), and of what Spark takes itself there: the texts through
Python and back into a table, as they are.

store embeds 1,000,000 texts by static (256 dimensions) into an empty store, runs the stage again,
and again with 1% more texts.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SAMPLE = Path(__file__).parents[2] / "conf" / "sample" / "support.csv"
PROVIDERS = {"static": ("static", 200_000), "minilm": ("sentence-transformers", 5_000)}
STORE_TEXTS = 1_000_000
PER_REQUEST = 1_024

PROVIDER_ALONE = """
import json, sys, time
from lakewinnow.config.sections import EmbeddingConfig
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


STAGE = """
import json, sys, time
import lakewinnow
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.sessions.session import session
spark = session()
same = lambda batches: batches
for source in sys.argv[2:]:
    config = lakewinnow.load_config(overrides=[sys.argv[1], *json.loads(source)])
    lakewinnow.run(config, spark, until="embed")
    lake = Lake(spark, config.workspace)
    commit = lake.committed("embed")
    texts = lake.read("corpus").select("text_key", "text")
    started = time.perf_counter()
    lake.publish("same", texts.mapInArrow(same, texts.schema))
    print(commit.seconds, commit.figures["embedded"], time.perf_counter() - started)
"""


def main() -> None:
    """Parse the names, print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[*PROVIDERS, "store"], metavar="NAME[=N]")
    alone, on_spark = ("alone s", "texts/s", "CPU s"), ("stage s", "over", "warm s", "over")
    columns = ("texts", *alone, *on_spark, "Spark s")
    print(f"{'':>10}" + "".join(f"{title:>10}" for title in columns))
    for name, _, given in (each.partition("=") for each in parser.parse_args().names):
        if name == "store":
            store(int(float(given)) if given else STORE_TEXTS)
            continue
        provider, usual = PROVIDERS[name]
        n_texts = int(float(given)) if given else usual
        texts = make_texts(2 * n_texts)
        seconds, cpu = provider_alone(provider, texts[:n_texts])
        runs = stage(provider, texts[:n_texts], texts[n_texts:])
        row = f"{seconds:>10.2f}{n_texts / seconds:>10.0f}{cpu:>10.2f}"
        for of_stage, _, _ in runs:
            row += f"{of_stage:>10.2f}{of_stage / seconds - 1:>10.0%}"
        print(f"{name:>10}{n_texts:>10}{row}{runs[-1][-1]:>10.2f}", flush=True)


def store(n_texts: int) -> None:
    """Print what the first run, one without and one with 1% new texts take."""
    texts = make_texts(n_texts + n_texts // 100)
    runs = stage("static", texts[:n_texts], texts[:n_texts], texts)
    for (seconds, n_embedded, _), title in zip(runs, ("first", "again", "1% more"), strict=True):
        share = seconds / runs[0][0]
        print(f"{title:>10}{n_embedded:>10}{seconds:>50.2f}{share:>10.1%}", flush=True)


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


def stage(provider: str, *corpora: list[str]) -> list[tuple[float, int, float]]:
    """Run the stage on some corpora, one after the other, with one store.

    Returns
    -------
    list of (seconds, texts embedded, seconds of Spark with the same texts)
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        sources = []
        for i, texts in enumerate(corpora):
            table = pa.table({"text": texts, "label": ["a", "b"] * (len(texts) // 2)})
            pq.write_table(table, f"{folder}/{i}.parquet", row_group_size=100_000)
            keys = {"input.path": f"{folder}/{i}.parquet", "workspace": f"{folder}/w{i}"}
            keys |= {"input.text": "text", "input.label": "label"}
            keys |= {"embedding.store": f"{folder}/store"}
            sources.append(json.dumps([f"{key}={value}" for key, value in keys.items()]))
        command = [sys.executable, "-c", STAGE, f"embedding.provider={provider}", *sources]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    lines = (line.split() for line in done.stdout.splitlines())
    return [(float(seconds), int(n), float(of_spark)) for seconds, n, of_spark in lines]


if __name__ == "__main__":
    main()

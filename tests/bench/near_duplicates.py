"""Near duplicates: what is found of what there is, how long it takes, and what it does with skew.

    .venv/bin/python tests/bench/near_duplicates.py recall ../shared/data/banking77/train.csv:text
    .venv/bin/python tests/bench/near_duplicates.py scale --rows 100000
    .venv/bin/python tests/bench/near_duplicates.py boilerplate --rows 100000
    .venv/bin/python tests/bench/near_duplicates.py components
    .venv/bin/python tests/bench/near_duplicates.py peers --rows 20000

`recall` compares with every pair's Jaccard similarity (a product of sparse matrices) on 20,000
texts: those of the file and edits of them. `scale` makes short texts, a tenth of which are edits of
others, and watches time and memory. `boilerplate` makes texts that have 70% in common, so that a
few buckets hold most of them. `components` turns chains and giant components into sets, in one task
and in rounds. `peers` needs datasketch, and datatrove where it is installed.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import watched
from scipy.sparse import csr_array

from lakewinnow.checks.near_duplicates import NearDuplicatesConfig
from lakewinnow.checks.near_duplicates import stage as near_duplicates
from lakewinnow.core.checks import shingles as core
from lakewinnow.lake.graphs.components import publish_roots
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.sessions.session import running

THRESHOLD = 0.8
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["recall", "scale", "boilerplate", "components", "peers"])
    parser.add_argument("table", nargs="?", help="of recall: CSV:TEXT")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--permutations", type=int, default=256)
    parser.add_argument("--watched", action="store_true", help="is one, and prints its figures")
    options = parser.parse_args()
    if options.what == "scale" and not options.watched:
        output, peak = watched.run([sys.executable, *sys.argv, "--watched"])
        print(f"{output.rstrip()}; peak of all processes {peak:.1f} GiB")
        return
    {
        "recall": recall,
        "scale": scale,
        "boilerplate": boilerplate,
        "components": components,
        "peers": peers,
    }[options.what](options)


# --- texts --------------------------------------------------------------------------------------


def edited(text: str, rng: np.random.Generator, words: Sequence[str]) -> str:
    """Return a text with one or two edits: of a letter, of a word, or a few words more."""
    for _ in range(rng.integers(1, 3)):
        at, kind = int(rng.integers(len(text))), rng.integers(4)
        letter = LETTERS[rng.integers(26)]
        if kind == 0:
            text = text[:at] + letter + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + text[at + 1 :] or letter
        else:
            parts = text.split() or [letter]
            at, word = int(rng.integers(len(parts))), words[rng.integers(len(words))]
            parts[at : at + (kind == 2)] = [word]
            text = " ".join(parts)
    return text


def made_texts(n: int, rng: np.random.Generator) -> tuple[list[str], list[int]]:
    """Return short texts, and the text that each is an edit of (itself: of none)."""
    n_words = 30_000
    words = [
        "".join(LETTERS[i] for i in rng.integers(0, 26, rng.integers(2, 10)))
        for _ in range(n_words)
    ]
    shares = 1 / np.arange(2, n_words + 2)
    chosen = rng.choice(n_words, n * 10, p=shares / shares.sum()).tolist()
    lengths = rng.integers(6, 11, n)
    texts, origin = [], []
    for i in range(n):
        of = i
        if i and rng.random() < 0.1:
            of = origin[int(rng.integers(max(0, i - 50), i))]
            texts.append(edited(texts[of], rng, words))
        else:
            texts.append(" ".join(words[j] for j in chosen[10 * i : 10 * i + lengths[i]]))
        origin.append(of)
    return texts, origin


def make_corpus(lake: Lake, texts: Sequence[str]) -> None:
    """Write corpus/ of these texts; row ids are their numbers."""
    n = len(texts)
    forms = core.text_ids(texts)
    columns = {
        "row_id": [f"{i:09}" for i in range(n)],
        "text": texts,
        "text_key": pa.array([int(key).to_bytes(8, "big", signed=True) for key in forms]),
        "given_label": np.array(["a", "b"])[np.arange(n) % 2],
    }
    folder = Path(lake.files.path("corpus"))
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "part-0.parquet", row_group_size=max(1, n // 8))


def sets_of(lake: Lake) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's set (its own number: none), and its score."""
    table = pq.read_table(lake.files.path("checks/near_duplicates")).sort_by("row_id")
    ids = [
        of or own
        for of, own in zip(
            *(table[n].to_pylist() for n in ("near_duplicate_set", "row_id")), strict=True
        )
    ]
    return np.array(ids, np.int64), table["near_duplicate_score"].to_numpy()


def found_in(
    texts: Sequence[str], config: NearDuplicatesConfig
) -> tuple[np.ndarray, np.ndarray, dict, float]:
    """Run the stage; return sets, scores, its figures and seconds."""
    with tempfile.TemporaryDirectory() as folder, running() as spark:
        spark.range(1).count()
        lake = Lake(spark, folder)
        make_corpus(lake, texts)
        started = time.perf_counter()
        figures = dict(near_duplicates.run(SimpleNamespace(lake=lake), config).details)
        seconds = time.perf_counter() - started
        return *sets_of(lake), figures, seconds


def all_pairs(
    texts: Sequence[str], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield every pair (i < j) of texts that is as similar as the threshold, and how similar."""
    shingled = core.shingles(core.normal_forms(texts), "character", size)
    rows = np.repeat(np.arange(len(texts)), np.diff(shingled.offsets))
    _, columns = np.unique(shingled.hashes, return_inverse=True)
    ones = np.ones(len(rows), np.float32)
    matrix = csr_array((ones, (rows, columns)), shape=(len(texts), columns.max() + 1))
    matrix.data[:] = 1
    sizes = np.asarray(matrix.sum(axis=1)).ravel()
    for at in range(0, len(texts), 500):
        shared = (matrix[at : at + 500] @ matrix.T).tocoo()
        i, j = shared.row + at, shared.col
        similarity = shared.data / (sizes[i] + sizes[j] - shared.data)
        alike = (i < j) & (similarity >= THRESHOLD - 1e-6)
        yield i[alike], j[alike], similarity[alike]


# --- the benchmarks -----------------------------------------------------------------------------


def recall(options: argparse.Namespace) -> None:
    """Compare with every pair of 20,000 texts."""
    path, column = options.table.split(":")
    with Path(path).open(newline="", encoding="utf-8") as file:
        texts = [row[column] for row in csv.DictReader(file)]
    rng = np.random.default_rng(0)
    words = sorted({word for text in texts for word in text.split()})
    while len(texts) < options.rows:
        texts.append(edited(texts[int(rng.integers(len(texts)))], rng, words))
    for size in (3, 5):
        config = NearDuplicatesConfig(shingle_size=size, permutations=options.permutations)
        sets, scores, figures, seconds = found_in(texts, config)
        one, other, similarity = (
            np.concatenate(parts) for parts in zip(*all_pairs(texts, size), strict=True)
        )
        best = np.zeros(len(texts))
        for end in (one, other):
            np.maximum.at(best, end, similarity)
        is_issue, is_alike = scores < 1, best >= THRESHOLD
        together = sets[one] == sets[other]
        print(
            f"characters {size}: {len(texts):,} texts, {len(one):,} pairs of {THRESHOLD} or more;"
            f" pairs in one set {together.mean():.4f}, rows found {is_issue[is_alike].mean():.4f},"
            f" of rows found alike {is_alike[is_issue].mean():.4f}, score right"
            f" {(np.abs(1 - scores - best)[is_issue] < 1e-6).mean():.4f};"
            f" {seconds:.1f} s, {figures}"
        )
        for low in (0.8, 0.85, 0.9, 0.95):
            within = (similarity >= low) & (similarity < low + 0.05)
            share = together[within].mean()
            print(f"  {low} to {low + 0.05:.2f}: {within.sum():,} pairs, {share:.4f} in one set")


def scale(options: argparse.Namespace) -> None:
    """Time many short texts, a tenth of which are edits."""
    texts, origin = made_texts(options.rows, np.random.default_rng(0))
    config = NearDuplicatesConfig(permutations=options.permutations)
    sets, _, figures, seconds = found_in(texts, config)
    edits = [i for i, of in enumerate(origin) if of != i]
    pairs = [[texts[i] for i in edits], [texts[origin[i]] for i in edits]]
    shingled = (
        core.shingles(core.normal_forms(side), "character", figures["shingle_size"])
        for side in pairs
    )
    alike = np.array(edits)[core.jaccard(*shingled) >= THRESHOLD]
    together = sets[alike] == sets[np.array(origin)[alike]]
    print(
        f"{len(texts):,} texts: {seconds:.1f} s; of {len(alike):,} edits that are as similar as"
        f" {THRESHOLD}, {together.mean():.4f} are in the set of their original; {figures}",
        end="",
    )


def boilerplate(options: argparse.Namespace) -> None:
    """Time texts that have most in common; a hundredth has a near duplicate."""
    rng = np.random.default_rng(0)
    bases, _ = made_texts(options.rows, rng)
    common = " ".join(made_texts(20, rng)[0])
    share = int(len(bases[0]) * 2.3)
    texts = [f"{common[:share]} {base}" for base in bases]
    originals = rng.choice(len(texts), len(texts) // 100, replace=False)
    copies = []
    for i in originals.tolist():
        at = int(rng.integers(share, len(texts[i])))
        copies.append(texts[i][:at] + LETTERS[rng.integers(26)] + texts[i][at + 1 :])
    normal = [core.normal_forms(side) for side in (copies, [texts[i] for i in originals])]
    alike = core.jaccard(*(core.shingles(side, "character", 3) for side in normal))
    config = NearDuplicatesConfig(permutations=options.permutations)
    sets, _, figures, seconds = found_in(texts + copies, config)
    together = sets[originals] == sets[len(texts) :]
    others = rng.integers(0, len(texts), (2, 2000))
    sample = [core.normal_forms([texts[i] for i in side]) for side in others]
    background = core.jaccard(*(core.shingles(side, "character", 3) for side in sample))
    print(
        f"{len(texts):,} texts, any two similar {np.median(background):.2f}, at most"
        f" {background.max():.2f}; of {len(copies):,} planted pairs of {alike.min():.2f} or more,"
        f" {together.mean():.4f} in one set; {seconds:.1f} s; {figures}"
    )


def components(_: argparse.Namespace) -> None:
    """Time chains and giant components, in one task and in rounds."""
    rng = np.random.default_rng(0)
    names = rng.choice(2**62, 1_100_000, replace=False) - 2**61
    chain = names[:10_000]
    giant = names[:100_000]
    hub = np.full(99_999, giant[7])
    random = giant[rng.integers(0, len(giant), (2, 1_000_000))]
    graphs = {
        "a chain of 10,000": (chain[1:], chain[:-1]),
        "a star of 100,000": (np.delete(giant, 7), hub),
        "100,000 nodes, 1,000,000 pairs": tuple(random),
        "500,000 pairs of two": (names[:500_000], names[500_000:1_000_000]),
    }
    with tempfile.TemporaryDirectory() as folder, running() as spark:
        lake = Lake(spark, folder)
        for number, (name, ends) in enumerate(graphs.items()):
            one, other = np.maximum(*ends), np.minimum(*ends)
            path = Path(lake.files.path(f"pairs{number}"))
            path.mkdir(parents=True)
            is_pair = one != other
            table = pa.table({"one": one[is_pair], "other": other[is_pair]})
            pq.write_table(table, path / "part-0.parquet", row_group_size=len(table) // 4 + 1)
            for most in (5_000_000, 0):
                started = time.perf_counter()
                n_rounds = publish_roots(lake, f"pairs{number}", f"roots{number}", most)
                seconds = time.perf_counter() - started
                roots = pq.read_table(lake.files.path(f"roots{number}"))["root"].to_numpy()
                print(
                    f"{name}, {'one task' if most else f'{n_rounds} rounds'}: {seconds:.1f} s,"
                    f" {len(np.unique(roots)):,} components",
                    flush=True,
                )


def peers(options: argparse.Namespace) -> None:
    """Time others' algorithms on the texts of `scale`, with the same shingles and bands.

    They do not compare what they find: datasketch gives candidates, datatrove takes them for pairs.
    """
    texts, origin = made_texts(options.rows, np.random.default_rng(0))
    normal = core.normal_forms(texts)
    config = NearDuplicatesConfig(permutations=options.permutations)
    sets, scores, figures, seconds = found_in(texts, config)
    edits = np.array([i for i, of in enumerate(origin) if of != i])
    sides = [[normal[i] for i in edits], [normal[origin[i]] for i in edits]]
    alike = core.jaccard(*(core.shingles(side, "character", 3) for side in sides)) >= THRESHOLD
    one, other = edits[alike], np.array(origin)[edits[alike]]
    n_removed = int((scores < 1).sum()) - figures["sets"]
    share = (sets[one] == sets[other]).mean()
    print(f"lakewinnow: {seconds:.1f} s, {share:.4f} of {len(one):,} found, {n_removed:,} removed")
    started = time.perf_counter()
    found, n = with_datasketch(
        normal, figures, list(zip(one.tolist(), other.tolist(), strict=True))
    )
    seconds = time.perf_counter() - started
    print(
        f"datasketch: {seconds:.1f} s, one process, {found / len(one):.4f} found, {n:,} candidates"
    )
    started = time.perf_counter()
    gone = with_datatrove(normal, figures)
    seconds = time.perf_counter() - started
    share = np.mean(
        [a in gone or b in gone for a, b in zip(one.tolist(), other.tolist(), strict=True)]
    )
    print(f"datatrove: {seconds:.1f} s, two processes, {share:.4f} found, {len(gone):,} removed")


def with_datasketch(
    normal: Sequence[str], figures: dict, pairs: list[tuple[int, int]]
) -> tuple[int, int]:
    """Return how many of the pairs are candidates of datasketch's MinHashLSH, and all of these."""
    from datasketch import MinHash, MinHashLSH

    shape = (figures["bands"], figures["rows_per_band"])
    index = MinHashLSH(num_perm=shape[0] * shape[1], params=shape)
    size, wanted, found, n = figures["shingle_size"], set(pairs), 0, 0
    shingled = ([t[i : i + size].encode() for i in range(len(t) - size + 1)] for t in normal)
    for key, sketch in enumerate(MinHash.generator(shingled, num_perm=shape[0] * shape[1])):
        before = index.query(sketch)
        found += sum((key, of) in wanted for of in before)
        n += len(before)
        index.insert(key, sketch)
    return found, n


def with_datatrove(normal: Sequence[str], figures: dict) -> set[int]:
    """Return the texts that datatrove removes; each character is a word to it."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Characters(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    config = MinhashConfig(
        n_grams=figures["shingle_size"],
        num_buckets=figures["bands"],
        hashes_per_bucket=figures["rows_per_band"],
        hash_config=HashConfig(precision=64),
    )
    with tempfile.TemporaryDirectory() as folder:
        for part in range(2):
            lines = (
                json.dumps({"id": str(i), "text": " ".join(normal[i].replace(" ", "é"))})
                for i in range(part, len(normal), 2)
            )
            path = Path(folder, "in", f"{part}.jsonl")
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(lines), encoding="utf-8")
        signature = MinhashDedupSignature(f"{folder}/signatures", config, Characters())
        gone = JsonlWriter(f"{folder}/gone", compression=None)
        for name, n, steps in (
            ("signatures", 2, [JsonlReader(f"{folder}/in"), signature]),
            (
                "buckets",
                config.num_buckets,
                [MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config)],
            ),
            (
                "clusters",
                1,
                [MinhashDedupCluster(f"{folder}/buckets", f"{folder}/ids", config=config)],
            ),
            (
                "filter",
                2,
                [
                    JsonlReader(f"{folder}/in"),
                    MinhashDedupFilter(f"{folder}/ids", exclusion_writer=gone),
                ],
            ),
        ):
            LocalPipelineExecutor(
                steps, tasks=n, workers=2, logging_dir=f"{folder}/logs/{name}"
            ).run()
        lines = [line for path in Path(folder, "gone").glob("*") for line in path.open()]
        return {int(json.loads(line)["id"]) for line in lines}


if __name__ == "__main__":
    main()

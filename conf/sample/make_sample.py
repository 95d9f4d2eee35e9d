"""Make the sample: 600 messages to the support of a coffee roaster, sorted into six queues.

Reads   phrases.txt beside this script, the grammar that every message is drawn from
Writes  support.csv: ticket, received, message, queue (RFC 4180, UTF-8)
        support_corrected.csv: the same rows, their queues put right
        truth.csv: what is planted, one row per ticket concerned: ticket, kind, true_queue, copy_of

Planted kinds
    label_error      48  a wrong queue; half of them the one that people really mix up with it
    exact_duplicate  12  another ticket's text: 4 in its queue, 4 in its queue but spelled in NFD
                         where the other is NFC, 4 in a wrong queue (true_queue is the other's)
    near_duplicate   12  another ticket's text, slightly edited
    blank             6  nothing in the message, or nothing but white space
    no_label          3  a good message with an empty queue
    stranger          8  a text that has nothing to do with support, in any queue

The same bytes come out on every machine: no clock, no set order, and chance only from Chance.
With --check nothing is written, and the exit status is 1 if a file differs from what would be.
"""

import argparse
import csv
import io
import random
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
Phrases = Mapping[str, Sequence[str]]

HERE: Final = Path(__file__).resolve().parent
SEED: Final = 2026
FIRST_DAY: Final = date(2026, 1, 5)
ROWS_PER_DAY: Final = 7

MESSAGES_PER_QUEUE: Final = {
    "billing": 117,
    "shipping": 112,
    "technical": 104,
    "refund": 89,
    "login": 82,
    "cancellation": 58,
}
MIXED_UP_WITH: Final = {
    "billing": "refund",
    "shipping": "refund",
    "technical": "login",
    "refund": "billing",
    "login": "technical",
    "cancellation": "billing",
}
N_MIXED_UP, N_RANDOM_QUEUE = 24, 24
N_SAME, N_SAME_IN_NFD, N_SAME_IN_WRONG_QUEUE = 4, 4, 4
N_NEAR, LETTER_LENGTH = 12, 120
N_NO_LABEL = 3
BLANKS: Final = ("", "", " ", "   ", " \n\n ", "\u00a0")


class Chance:
    """Draws from `random()` alone: its sequence is the one that Python promises never to change."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311  (a sample, not a secret)

    def below(self, n: int) -> int:
        """Return one of 0 .. n-1."""
        return int(self._random() * n)

    def happens(self, probability: float) -> bool:
        """Return True with the probability given."""
        return self._random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order."""
        return sorted(items, key=lambda _: self._random())


@dataclass(frozen=True)
class Row:
    """One ticket before it has a number; `kind` is empty where nothing is planted."""

    message: str
    queue: str  # as given
    kind: str = ""
    true_queue: str = ""
    copy_of: int | None = None  # position in the list of rows as they are made


def read_phrases(path: Path) -> Phrases:
    """Read the grammar: the phrases by the name of their list."""
    phrases: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("@"):
            phrases[name := line[1:]] = []
        elif line and not line.startswith("#"):
            phrases[name].append(line)
    return phrases


def fill_in(pattern: str, phrases: Phrases, chance: Chance) -> str:
    """Replace [a|b] (innermost first), {name} and # in a pattern until only plain text is left."""
    while hole := re.search(r"\[([^\[\]]*)\]|\{(\w+)\}", pattern):
        alternatives, name = hole.groups()
        options = phrases[name] if name else alternatives.split("|")
        pattern = pattern[: hole.start()] + chance.pick(options) + pattern[hole.end() :]
    return re.sub("#", lambda _: str(1 + chance.below(9)), pattern)


def compose(core: str, queue: str, phrases: Phrases, chance: Chance) -> str:
    """Put a message together around its core, from four words in a hurry to a whole letter."""
    parts = [core]
    if chance.happens(0.65):
        parts.append(chance.pick(phrases[f"{queue}_more"]))
    if chance.happens(0.15):
        parts.insert(chance.below(2), "{aside}")
    if chance.happens(0.25):
        parts.append("{plea}")
    body = fill_in(" ".join(parts), phrases, chance)
    body = body[0].upper() + body[1:] if chance.happens(0.8) else body
    greeting = fill_in("{greeting}", phrases, chance) if chance.happens(0.45) else ""
    closing = fill_in("{closing}", phrases, chance) if chance.happens(0.40) else ""
    gap = "\n" if chance.happens(0.3) else " "
    return gap.join(part for part in (greeting, body, closing) if part)


def mistype(text: str, chance: Chance) -> str:
    """Swap, drop or double one letter inside one word of five letters or more."""
    words = list(re.finditer(r"[a-z]{5,}", text))
    if not words:
        return text
    word = chance.pick(words)
    at = word.start() + 1 + chance.below(len(word[0]) - 2)
    here, after = text[at], text[at + 1]
    slips = [after + here, after, here + here + after]
    return text[:at] + chance.pick(slips[here == after :]) + text[at + 2 :]


def roughen(text: str, chance: Chance) -> str:
    """Write as some people do: with typos, without capitals, without apostrophes."""
    for _ in range(chance.pick((0, 0, 0, 0, 0, 1, 1, 2))):
        text = mistype(text, chance)
    if chance.happens(0.12):
        text = text.lower()
    return text.replace("'", "") if chance.happens(0.12) else text


def messages(queue: str, n: int, phrases: Phrases, chance: Chance) -> Iterator[str]:
    """Yield n messages to one queue, going through all its patterns before any comes again."""
    patterns: list[str] = []
    seen: set[str] = set()
    while len(seen) < n:
        patterns = patterns or chance.shuffled(phrases[queue])
        core = fill_in(patterns.pop(), phrases, chance)
        if core not in seen:  # duplicates are planted, not left to chance
            seen.add(core)
            yield roughen(compose(core, queue, phrases, chance), chance)


def edit(text: str, chance: Chance) -> str:
    """Change a text the way a customer does who sends it once more."""
    return chance.pick(
        (
            mistype(text, chance),
            text.rstrip(".!?") + "!!",
            text + " Thanks!",
            "Reminder: " + text,
        )
    )


def in_nfd(text: str) -> str:
    """Return the same text with its accents as characters of their own."""
    return unicodedata.normalize("NFD", text)


def other_queue(queue: str, chance: Chance) -> str:
    """Return any queue but the one given."""
    return chance.pick([other for other in MESSAGES_PER_QUEUE if other != queue])


def make_rows(phrases: Phrases, chance: Chance) -> list[Row]:
    """Make all rows in order of their making; no message is planted on twice."""
    rows = [
        Row(message, queue)
        for queue, n in MESSAGES_PER_QUEUE.items()
        for message in messages(queue, n, phrases, chance)
    ]
    order = chance.shuffled(range(len(rows)))
    accented = [at for at in order if in_nfd(rows[at].message) != rows[at].message]
    for_nfd = accented[:N_SAME_IN_NFD]
    unused = iter([at for at in order if at not in for_nfd])

    def relabel(at: int, kind: str, queue: str) -> None:
        rows[at] = replace(rows[at], queue=queue, kind=kind, true_queue=rows[at].queue)

    def copy(at: int, kind: str, message: str, queue: str) -> None:
        rows.append(Row(message, queue, kind, true_queue=rows[at].queue, copy_of=at))

    for at in islice(unused, N_MIXED_UP):
        relabel(at, "label_error", MIXED_UP_WITH[rows[at].queue])
    for at in islice(unused, N_RANDOM_QUEUE):
        relabel(at, "label_error", other_queue(rows[at].queue, chance))
    for at in islice(unused, N_NO_LABEL):
        relabel(at, "no_label", "")
    for at in for_nfd:
        copy(at, "exact_duplicate", in_nfd(rows[at].message), rows[at].queue)
    for at in islice(unused, N_SAME):
        copy(at, "exact_duplicate", rows[at].message, rows[at].queue)
    for at in islice(unused, N_SAME_IN_WRONG_QUEUE):
        copy(at, "exact_duplicate", rows[at].message, other_queue(rows[at].queue, chance))
    letters = (at for at in unused if len(rows[at].message) > LETTER_LENGTH)
    for at in islice(letters, N_NEAR):  # in a short text one word more is another text
        copy(at, "near_duplicate", edit(rows[at].message, chance), rows[at].queue)
    queues = tuple(MESSAGES_PER_QUEUE)
    rows += [Row(text, chance.pick(queues), "blank") for text in BLANKS]
    rows += [Row(text, chance.pick(queues), "stranger") for text in phrases["stranger"]]
    return rows


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a table as RFC 4180 has it: CRLF, and quotes where a field needs them."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode("utf-8")


def make_files() -> dict[str, bytes]:
    """Make the files: their bytes by their names."""
    chance = Chance(SEED)
    rows = make_rows(read_phrases(HERE / "phrases.txt"), chance)
    order = chance.shuffled(range(len(rows)))  # so that neither number nor date gives a plant away
    tickets: dict[int | None, str] = {at: f"T-{i:04}" for i, at in enumerate(order, start=1)}
    received = {at: FIRST_DAY + timedelta(days=i // ROWS_PER_DAY) for i, at in enumerate(order)}

    def table(queues: Sequence[str]) -> bytes:
        header = ("ticket", "received", "message", "queue")
        first = ((tickets[at], received[at].isoformat(), rows[at].message) for at in order)
        return csv_bytes(header, [(*row, queues[at]) for row, at in zip(first, order, strict=True)])

    truth = (
        (tickets[at], rows[at].kind, rows[at].true_queue, tickets.get(rows[at].copy_of, ""))
        for at in order
        if rows[at].kind
    )
    return {
        "support.csv": table([row.queue for row in rows]),
        "support_corrected.csv": table([row.true_queue or row.queue for row in rows]),
        "truth.csv": csv_bytes(("ticket", "kind", "true_queue", "copy_of"), truth),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the sample, or check the one that is there."""
    parser = argparse.ArgumentParser(description="Write the sample's CSV files.")
    parser.add_argument("--into", type=Path, default=HERE, help="folder (default: the script's)")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if different")
    options = parser.parse_args(arguments)
    files = {options.into / name: content for name, content in make_files().items()}
    if not options.check:
        for path, content in files.items():
            path.write_bytes(content)
        return
    for path, content in files.items():
        if not path.exists() or path.read_bytes() != content:
            parser.exit(1, f"{path}: expected what {parser.prog} writes; run it to make it so\n")


if __name__ == "__main__":
    main()

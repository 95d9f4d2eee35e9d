"""What several people decided about rows, what most of them say, and how far they agree."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from lakewinnow import columns as c
from lakewinnow.core.evaluation import reviewing
from lakewinnow.core.types import IntArray

BY: Final = "by"
NO_NAME: Final = "(no name)"


_SHOWN: Final = 5  # people


def in_words(agreement_by: Mapping[str, float]) -> str:
    """Return how often people agree with the others, those who do least first."""
    shown = [f"{who or NO_NAME} {share:.0%}" for who, share in agreement_by.items()][:_SHOWN]
    return ", ".join([*shown, *(["…"] if len(agreement_by) > _SHOWN else [])])


class Decision(NamedTuple):
    """What was decided about a row: keep, drop, or fix and a label."""

    decision: str
    label: str | None


@dataclass(frozen=True)
class Votes:
    """What was decided about rows, a vote for each who decided."""

    # by row id, who decided what; one name may have decided twice
    of_row: Mapping[str, Sequence[tuple[str, Decision]]]

    @classmethod
    def of(cls, votes: Iterable[tuple[str, str | None, Decision]]) -> "Votes":
        """Collect votes: row id, who, and what; a vote that is there twice is one."""
        of_row = defaultdict(set)
        for row_id, who, decision in votes:
            of_row[row_id].add((who or "", decision))
        return cls({row_id: sorted(of_row[row_id], key=str) for row_id in sorted(of_row)})

    def agreed(self) -> dict[str, Decision]:
        """Return what all, or more than half, say of a row; a row without that is left out."""
        found = {}
        for row_id, votes in self.of_row.items():
            [(decision, n)] = Counter(decision for _, decision in votes).most_common(1)
            if 2 * n > len(votes):
                found[row_id] = decision
        return found

    def people(self) -> dict[str, Any]:
        """Return who decided how many rows, and how far they agree."""
        agreed, differing = self.agreed(), self.differing()
        names = Counter(name for votes in self.of_row.values() for name in {n for n, _ in votes})
        agreement = self.agreement()
        return {
            "by": dict(sorted(names.items())),
            "differing": differing,
            "undecided": [row_id for row_id in differing if row_id not in agreed],
            "agreement": None if agreement is None else asdict(agreement),
            "agreement_by": self.agreement_by(),
        }

    def differing(self) -> list[str]:
        """Return the ids of rows that people decided differently."""
        return [row_id for row_id, votes in self.of_row.items() if len({v for _, v in votes}) > 1]

    def agreement_by(self) -> dict[str, float]:
        """Return how often what a person decided is what others decided, the least first."""
        same: Counter[str] = Counter()
        pairs: Counter[str] = Counter()
        for votes in self.of_row.values():
            alike = Counter(decision for _, decision in votes)
            for who, decision in votes:
                same[who] += alike[decision] - 1
                pairs[who] += len(votes) - 1
        shares = {who: same[who] / n for who, n in pairs.items() if n}
        return dict(sorted(shares.items(), key=lambda of: (of[1], of[0])))

    def agreement(self) -> reviewing.Agreement | None:
        """Return how far people agree; None where no row was decided twice."""
        return reviewing.agreement(self._counts())

    def csv(self) -> str:
        """Return what is agreed as a file that `clean.decisions` takes."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([c.ROW_ID, c.DECISION, c.LABEL, BY])
        for row_id, decision in sorted(self.agreed().items()):
            writer.writerow([row_id, *decision, self.deciders(row_id, decision)])
        return text.getvalue()

    def deciders(self, row_id: str, decision: Decision) -> str:
        """Return the names of those who decided so."""
        names = {name for name, said in self.of_row[row_id] if said == decision and name}
        return " and ".join(sorted(names))

    def _counts(self) -> IntArray:
        """Count how often each answer was given to each row, shape (rows, answers)."""
        answers: dict[Decision, int] = {}
        counts = Counter(
            (at, answers.setdefault(decision, len(answers)))
            for at, votes in enumerate(self.of_row.values())
            for _, decision in votes
        )
        found = np.zeros((len(self.of_row), len(answers)), np.int64)
        for place, n in counts.items():
            found[place] = n
        return found

"""Everything that is known of two sets of rows, and the tests that are made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lakewinnow.core.drift import categories, histograms, verdict
from lakewinnow.core.drift.categories import ChiSquared, ClassShares, Counts, NoiseDrift, effective
from lakewinnow.core.drift.domain import DomainClassifier
from lakewinnow.core.drift.energy import EnergyDistance
from lakewinnow.core.drift.histograms import KolmogorovSmirnov
from lakewinnow.core.drift.verdict import Test
from lakewinnow.core.types import IntArray

LEAST_ROWS: Final = 30  # of either side: fewer are not compared


@dataclass(frozen=True, eq=False)
class ComparedRows:
    """One of the two sets of rows, counted."""

    labels: IntArray  # int64, shape (K,), rows of each label; classes are those of either side
    n_texts: int  # distinct texts
    n_squared: int  # sum over the distinct texts of the squares of their rows
    # histograms, int64 (see `histograms.N_BINS`), by name; empty where there is no text
    texts: Mapping[str, IntArray]

    @property
    def n_rows(self) -> int:
        """Rows of the side."""
        return int(self.labels.sum())

    @property
    def n_effective(self) -> float:
        """Independent rows that it is worth: rows of one text count for little more than one."""
        return effective(self.n_rows, self.n_squared)

    @property
    def weight(self) -> float:
        """What makes counts effective ones."""
        return self.n_effective / max(1, self.n_rows)


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a sample of vectors of both sides has shown."""

    n_texts: int  # of either side
    classifier: DomainClassifier
    distance: EnergyDistance


@dataclass(frozen=True, eq=False)
class DriftComparison:
    """Two sets of rows compared; None where there was nothing to compare."""

    classes: ClassShares  # shares of the labels
    labels: ChiSquared  # test that they are the same
    texts: Mapping[str, KolmogorovSmirnov]  # by name
    vectors: Vectors | None  # of a sample
    noise: NoiseDrift | None  # of the noise matrices

    @classmethod
    def of(
        cls,
        new: ComparedRows,
        reference: ComparedRows,
        vectors: Vectors | None = None,
        joints: tuple[Counts, Counts] | None = None,
    ) -> "DriftComparison":
        """Compare two sides.

        Parameters
        ----------
        vectors : of both, where there are some
        joints : confident joints, see `categories.noise_drift`, of the new rows and the reference
        """
        weights = (new.weight, reference.weight)
        sizes = (new.n_effective, reference.n_effective)
        labels = homogeneity_of(new, reference)
        texts = {
            name: histograms.kolmogorov_smirnov(name, counts, reference.texts[name], sizes)
            for name, counts in new.texts.items()
        }
        noise = None if joints is None else categories.noise_drift(*joints)
        return cls(
            categories.class_shares(new.labels, reference.labels, weights),
            labels,
            texts,
            vectors,
            noise if noise is not None and noise.test.df else None,
        )

    @property
    def psi(self) -> float:
        """Population stability index of the labels."""
        return float(self.classes.psi.sum())

    def tests(self) -> list[Test]:
        """Return all tests, for `verdict.holm` to judge together."""
        found = [Test(verdict.LABELS, verdict.LABELS, self.labels.p, self.psi)]
        for name, text in self.texts.items():
            found.append(Test(verdict.TEXT, name, text.p, text.distance))
        if self.vectors is not None:
            classifier, distance = self.vectors.classifier, self.vectors.distance
            found.append(Test(verdict.CLASSIFIER, verdict.CLASSIFIER, classifier.p, classifier.auc))
            found.append(Test(verdict.DISTANCE, verdict.DISTANCE, distance.p, distance.distance))
        if self.noise is not None:
            found.append(Test(verdict.NOISE, verdict.NOISE, self.noise.test.p, self.noise.distance))
        return found


def homogeneity_of(new: ComparedRows, reference: ComparedRows) -> ChiSquared:
    """Test that the labels of two sides have the same shares."""
    return categories.homogeneity(new.labels * new.weight, reference.labels * reference.weight)

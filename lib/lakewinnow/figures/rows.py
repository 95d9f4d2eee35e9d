"""Where the rows of the input go: ingest, the trusted holdout, decide and publish."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

Counts = dict[str, int]
REVIEW_SAMPLE: Final = "review draw"  # what checked rows may be a sample by


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Where the rows of the input went: in = clean + review + dropped + quarantine."""

    in_: Annotated[int, "rows of the input"]
    clean: Annotated[int, "rows that stay, some with another label"]
    review: Annotated[int, "rows for a person to look at"]
    dropped: Annotated[int, "rows that go"]
    quarantine: Annotated[int, "rows that could not be read or used"]


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """The rows that can be worked with."""

    classes: Annotated[list[str], "in their order"]
    class_counts: Annotated[list[int], "accepted rows of each class"]
    rejected: Annotated[Counts, "rows in quarantine by error code"]
    n_shards: Annotated[int, "parts of the corpus, each a fair sample of it"]
    own_vectors: Annotated[bool, "whether rows came with embeddings or features"]
    unlabelled: Annotated[
        int, "of the rows in quarantine, those that lack a label alone and may get one"
    ] = 0
    input_columns: Annotated[dict[str, Any], "the schema of the input, as Spark writes it"]
    is_halved: Annotated[
        bool, "of a holdout: whether one half is to choose by and one to report on"
    ] = False


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """The trusted rows that models are asked about."""

    rows: Annotated[int, "rows that can be used"]
    of_input: Annotated[bool, "whether they were rows of the input (evaluate.trusted)"]
    rejected: Annotated[Counts, "rows that cannot be used by error code"]
    class_counts: Annotated[Counts, "rows of each class"]
    embedded: Annotated[int, "texts that were new to the store"]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the rows that people checked show about those that nobody checked.

    A checked row is bad where the suggested label is not the one that people gave it
    (clean.fix_at_most_wrong), or where they kept its label (clean.drop_at_most_good).
    """

    setting: Annotated[str, "key of the configuration that asks for it"]
    at_most: Annotated[float, "share of `rows` that may be bad"]
    confidence: Annotated[float, "probability that no more are"]
    doubt: Annotated[
        float | None,
        "the most that 1 - suggested_prob (to fix) or given_label_prob (to drop) may be; null:"
        " nothing is promised, and nothing fixed or dropped",
    ]
    rows: Annotated[int, "rows up to it that nobody checked, which the promise is about"]
    of: Annotated[int, "rows that nobody checked and that might be fixed or dropped"]
    checked: Annotated[int, "checked rows up to it; where nothing is promised, of all"]
    bad: Annotated[int, "of these"]
    needed: Annotated[int, "checked rows that show it where none is bad, of very many rows"]
    sampled: Annotated[str, "what says that the checked rows are a random sample of the others"]


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """The rows that came without a label, where they may get one (input.unlabelled: label)."""

    rows: Annotated[int, "rows that lack a label alone"]
    labelled: Annotated[int, "of these, rows that got the predicted label"] = 0
    labelled_by_people: Annotated[int, "rows that got a label from people"] = 0
    checked: Annotated[int, "rows that people checked, with a label or without"] = 0
    promise: Annotated[Promise | None, "what is promised of the predicted labels"] = None
    why: Annotated[
        str | None,
        "why nothing is promised: not_asked (by clean.fix_at_most_wrong), or issues_alone (the"
        " checked rows are label issues)",
    ] = None

    @property
    def stay_out(self) -> int:
        """How many stay in quarantine/."""
        return self.rows - self.labelled - self.labelled_by_people


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What becomes of the rows."""

    decisions: Annotated[Counts, "rows by decision: keep, fix, review, drop"]
    own_decisions: Annotated[Counts, "of these, the user's own"]
    dropped_for: Annotated[Counts, "dropped rows by what dropped them"]
    kept_for_class: Annotated[Counts, "rows kept back by class, as too many of it would have gone"]
    promise: Promise | None = None
    unlabelled: Unlabelled | None = None


@dataclass(frozen=True, kw_only=True)
class SoftLabels:
    """A column of clean/ that has a probability for each class."""

    column: Annotated[str, "its name"]
    classes: Annotated[list[str], "of its numbers, in their order"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """What clean/ has beside the input's columns."""

    soft_labels: SoftLabels | None = None


@dataclass(frozen=True, kw_only=True)
class Split:
    """The examples for training, or those for validation."""

    rows: Annotated[int, "examples"]
    bytes: Annotated[int, "of their lines"]
    tokens: Annotated[int, "of their texts and labels, about"]
    by_class: Annotated[Counts, "examples of each class"]
    usd_per_epoch: Annotated[float | None, "what training on them once costs"] = None
    files: Annotated[list[str], "in exports/"]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The files for fine-tuning."""

    exports: Annotated[dict[str, Split], "by split: train, validation"]

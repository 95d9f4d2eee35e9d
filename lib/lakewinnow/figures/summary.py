"""summary.json: the figures of a run, and what each key is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from lakewinnow.figures.labels import (
    CandidateFigures,
    ClassifierFigures,
    Embedded,
    LabelIssueFigures,
    OwnVectors,
)
from lakewinnow.figures.llm import LanguageModel
from lakewinnow.figures.models import Choice, Comparison, Detection, Finetuning, Variant
from lakewinnow.figures.opinions import Annotations, Asked, Opinions
from lakewinnow.figures.rows import Counts, Holdout, Promise, Rows, SoftLabels, Split, Unlabelled
from lakewinnow.typed_json import json_schema, to_json

SCHEMA_VERSION: Final = 1  # of summary.json and manifest.json: rises when a key changes its meaning


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of a run. A check has its own under its name, where the run made it."""

    schema_version: int = SCHEMA_VERSION
    rows: Rows
    label_issues: LabelIssueFigures
    crossval: ClassifierFigures
    quarantine: Annotated[Counts, "rows that could not be used by error code"]
    decisions: Annotated[Counts, "rows by decision: keep, fix, review, drop"]
    dropped: Annotated[Counts, "dropped rows by what dropped them"]
    soft_labels: SoftLabels | None = None
    own_decisions: Annotated[Counts | None, "the user's own, by decision"] = None
    promise: Promise | None = None
    annotations: Annotations | None = None
    opinions: Opinions | None = None
    language_model: LanguageModel | None = None
    ask: Asked | None = None
    unlabelled: Unlabelled | None = None
    candidates: CandidateFigures | None = None
    choice: Choice | None = None
    exports: Annotated[dict[str, Split] | None, "by split: train, validation"] = None
    embedding: Embedded | None = None
    vectors: OwnVectors | None = None
    holdout: Holdout | None = None
    detection: Detection | None = None
    evaluate: Annotated[dict[str, Variant] | None, "by version of the labels"] = None
    comparison: Comparison | None = None
    finetune: Annotated[dict[str, Variant] | None, "by version of the labels"] = None
    finetuning: Finetuning | None = None
    checks: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the content of summary.json."""
        content = to_json(self)
        checks = content.pop("checks")
        return {**content, **checks}

    @classmethod
    def json_schema(cls, checks: Mapping[str, type]) -> dict[str, Any]:
        """Return the JSON Schema of summary.json, given the figures of checks by name."""
        schema = json_schema(cls, more=checks)
        del schema["properties"]["checks"]
        schema["required"].remove("checks")
        return schema

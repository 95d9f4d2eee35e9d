"""Whether cleaning makes better models: detection, choice, evaluate and finetune."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

BETTER: Final = "better"
WORSE: Final = "worse"
NOT_SHOWN: Final = "no difference shown"


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well the label issues are the errors that a reference knows of."""

    rows: Annotated[int, "rows that the reference has, too"]
    errors: Annotated[int, "of these, rows whose label is wrong"]
    found: Annotated[int, "of these, label issues"]
    precision: Annotated[float | None, "share of the label issues that are errors"]
    recall: Annotated[float | None, "share of the errors that are label issues"]
    auroc: Annotated[float | None, "of the label scores"]
    average_precision: Annotated[float | None, "of the label scores"]
    fixed_right: Annotated[float | None, "share of the errors that suggested labels put right"]
    harmed: Annotated[float | None, "share of the right labels that they would put wrong"]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What models are worth on trusted rows, with 95% intervals."""

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float
    log_loss: float | None = None
    log_loss_low: float | None = None
    log_loss_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Difference(Scores):
    """How much better models of one training set are than those of another."""

    p: Annotated[float | None, "of McNemar's exact test of one training on all rows"] = None
    verdict: Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True, kw_only=True)
class Variant(Scores):
    """The models of one version of the labels."""

    rows: Annotated[int, "rows that they were trained on"]
    recall: Annotated[dict[str, float], "by class"]
    to_baseline: Annotated[Difference | None, "to the labels as given"] = None
    to_control: Annotated[Difference | None, "to those, weighted to the new class mix"] = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How models were compared."""

    test_rows: Annotated[int, "trusted rows that models were asked about"]
    input_rows: Annotated[int, "rows of the input that can be trained on"]
    in_holdout_too: Annotated[int, "rows of the input left out, as the holdout has their text"]
    seeds: Annotated[int | None, "ways of dealing rows into parts"] = None
    parts: Annotated[int | None, "of the rows, one of which each model is trained without"] = None
    models: Annotated[int, "trainings of each version of the labels"]
    resamples: Annotated[int, "of the trusted rows and models, for the intervals"]
    confidence: Annotated[float, "of the intervals"]
    class_mix_matters: Annotated[bool, "whether the class mix alone changes what models say"]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What a reference and a trusted holdout say of the run."""

    detection: Detection | None = None
    evaluate: Annotated[dict[str, Variant] | None, "by version of the labels"] = None
    comparison: Comparison | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What becomes of label issues, where that was to be chosen."""

    asked: Annotated[str, "clean.label_issues as configured"]
    label_issues: Annotated[str, "what was chosen: keep, fix, drop or review"]
    is_verified: Annotated[bool, "whether trusted rows were used for it"]
    is_unchanged: Annotated[bool, "whether the input is published unchanged"]
    why: str
    test_rows: Annotated[int | None, "trusted rows that it was chosen by"] = None
    kept_for_evaluate: Annotated[int | None, "trusted rows that were not used for it"] = None
    compared: Annotated[dict[str, Variant] | None, "by what could be done"] = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A model that a service has trained."""

    seed: int
    job_id: str | None
    status: str
    error: str
    model: Annotated[str | None, "that was made"]
    trained_tokens: Annotated[int | None, "that were billed"]
    cost_usd: float | None
    checkpoints: list[dict[str, Any]]
    dataset: Annotated[str, "the version of the labels"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What was fine-tuned, and how."""

    provider: Annotated[str, "local, or the service"]
    model: Annotated[str, "that was trained further"]
    layers: Annotated[int | None, "its upper layers that were trained"] = None
    device: Annotated[str | None, "cpu or cuda"] = None
    epochs: Annotated[int, "passes over the training rows"]
    seeds: Annotated[int, "trainings of each version of the labels"]
    jobs: Annotated[list[Job] | None, "of a service"] = None
    unmapped: Annotated[dict[str, int] | None, "answers that name no class"] = None


@dataclass(frozen=True, kw_only=True)
class Finetuning(Recipe, Comparison):
    """How fine-tuned models were made and compared."""

    failed: Annotated[list[str], "trainings that brought no model"]


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """Whether fine-tuned models are better on cleaned labels."""

    finetune: Annotated[dict[str, Variant], "by version of the labels"]
    finetuning: Finetuning

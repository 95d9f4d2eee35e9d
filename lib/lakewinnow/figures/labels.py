"""How good the labels are, and the classifier that says so: from embed to label_issues."""

from dataclasses import dataclass
from typing import Annotated, Literal

from lakewinnow.config.sections import EmbeddingIdentity


@dataclass(frozen=True, kw_only=True)
class OwnVectors:
    """The vectors that came with the rows: embeddings, or features made into vectors."""

    embedding: Annotated[str | None, "the column of embeddings"] = None
    numeric: Annotated[list[str] | None, "features used as numbers"] = None
    categorical: Annotated[list[str] | None, "features used as categories"] = None
    dimensions: Annotated[int | None, "numbers in a vector that features make"] = None
    fitted_on: Annotated[int | None, "rows that scales and categories were learnt from"] = None


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The texts that were embedded, and what that took."""

    identity: Annotated[EmbeddingIdentity, "provider, model and dimensions of the vectors"]
    texts: Annotated[int, "distinct texts"]
    embedded: Annotated[int, "of these, new to the store"]
    refused: Annotated[dict[str, int], "rows whose text the provider refused, by error code"]
    tokens: Annotated[int | None, "tokens that the provider counted"] = None
    requests: Annotated[int | None, "requests sent to the provider"] = None
    cost_usd: Annotated[float | None, "cost in USD"] = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of the embeddings that were compared."""

    provider: str
    model: str
    dimensions: int
    layers: Annotated[str | list[int], "hidden layers that a vector is made of, or final"]
    log_loss: Annotated[float, "of held-out given labels, classes weighted equally"]
    temperature: Annotated[float, "that the classifier's scores are divided by"]
    C: Annotated[float | None, "inverse strength of the classifier's penalty"]
    embedded: Annotated[int, "texts that were new to the store"]
    seconds: float
    cost_usd: Annotated[float | None, "null where the price is not known"]


@dataclass(frozen=True, kw_only=True)
class CandidateFigures:
    """How the embeddings compare on a sample."""

    rows: Annotated[int, "rows of the sample"]
    used: Annotated[int, "which of them the run uses, from 0"]
    compared: list[Candidate]


@dataclass(frozen=True, kw_only=True)
class FineTunedClassifier:
    """The transformers that learnt from the texts, one a fold and seed."""

    model: Annotated[str, "its name, and a digest of its files"]
    layers: Annotated[int | None, "that learnt, from the top"] = None
    device: Annotated[str | None, "cpu or cuda"] = None
    epochs: int
    seeds: Annotated[int, "models a fold"]
    models: int
    rows: Annotated[int, "rows that models learnt from, those of the fold left out"]


@dataclass(frozen=True, kw_only=True)
class CombinedClassifier:
    """One of several classifiers."""

    classifier: str
    log_loss: Annotated[float, "of held-out given labels, classes weighted equally"]
    weight: Annotated[float, "of its probabilities, the mean over the folds"]


@dataclass(frozen=True, kw_only=True)
class Combined:
    """How the probabilities of several classifiers became one."""

    by: Annotated[str, "average or stack"]
    average_log_loss: Annotated[float, "of the average, as that of each"]
    stack_log_loss: Annotated[float, "of the stack, by weights from other folds"]
    classifiers: list[CombinedClassifier]


@dataclass(frozen=True, kw_only=True)
class Crossvalidated:
    """How the probabilities were made."""

    mode: Annotated[str, "shard or global"]
    why: Annotated[str, "what the mode was chosen for"]
    C: Annotated[float | None, "inverse strength of the classifier's penalty"] = None
    losses: Annotated[dict[str, float] | None, "held-out log loss of each C that was tried"] = None
    standardize: Annotated[bool | None, "whether vectors were scaled"] = None
    repeats: Annotated[int, "times with other folds, of which the probabilities are the mean"] = 1
    not_converged: Annotated[int, "models that stopped before they converged"]
    cpu_seconds: float
    fine_tuned: Annotated[FineTunedClassifier | None, "the classifier finetune"] = None
    combined: Annotated[Combined | None, "several classifiers"] = None


@dataclass(frozen=True, kw_only=True)
class NoiseFound:
    """Whether labels are shown to be wrong, or only the classifier to be weak."""

    is_shown: Annotated[bool, "whether suggestions may differ from the given labels"]
    why: Annotated[str, "why it is not shown"]
    explained: Annotated[float, "share of the classes' entropy that the probabilities explain"]
    evidence: Annotated[float, "twice the log of how much likelier noise makes the labels"]
    wrong_labels: Annotated[float, "share of wrong labels, as far as it can be told"]
    missed: Annotated[list[str], "classes of which the classifier has missed what vectors tell"]
    rows: Annotated[int, "rows of the sample that tells it"]


@dataclass(frozen=True, kw_only=True)
class PredProbs:
    """What the probabilities are worth, out of sample, by the labels as given."""

    accuracy: Annotated[float, "share of rows whose likeliest class is their label"]
    log_loss: float
    balanced_log_loss: Annotated[float, "the mean of the classes' log losses"]
    ece: Annotated[float, "expected calibration error"]
    prior_log_loss: Annotated[float, "log loss of guessing by the shares of the classes"]
    balanced_prior_log_loss: Annotated[float, "the same, classes weighted equally"]
    calibrated_balanced_log_loss: Annotated[
        float | None, "balanced log loss at the best temperature"
    ] = None
    temperature: Annotated[float | None, "that the scores are divided by"] = None
    noise: Annotated[NoiseFound | None, "what tells noise from a weak classifier"] = None


@dataclass(frozen=True, kw_only=True)
class ClassifierFigures(PredProbs):
    """The classifier, and what its probabilities are worth on rows that it has not learnt from."""

    mode: Annotated[str | None, "shard or global"] = None
    C: Annotated[float | None, "inverse strength of its penalty"] = None
    standardize: Annotated[bool | None, "whether vectors were scaled"] = None
    fine_tuned: Annotated[FineTunedClassifier | None, "the classifier finetune"] = None
    combined: Annotated[Combined | None, "several classifiers"] = None


@dataclass(frozen=True, kw_only=True)
class LabelIssueFigures:
    """The labels that look wrong."""

    n: Annotated[int, "rows whose label looks wrong"]
    rows: Annotated[int, "accepted rows"]
    by_class: Annotated[dict[str, int], "rows whose label looks wrong by given label"]
    class_counts: Annotated[dict[str, int], "accepted rows by given label"]
    most_often_predicted: Annotated[dict[str, str], "by given label, the label that most get"]


@dataclass(frozen=True, kw_only=True)
class NeighborFigures:
    """How near texts were looked for."""

    k: Annotated[int, "neighbours of each text"]
    metric: Literal["cosine", "euclidean"]
    texts: Annotated[int, "distinct texts"]
    reference_texts: Annotated[int, "texts that these were compared with, a sample if fewer"]

"""The configuration: frozen sections, and the keys, types and defaults that a user may rely on.

One class a section of the YAML file. A field's annotation is its check: `Literal` lists the
choices, `Annotated[..., AtLeast(2)]` a bound, `| None` an optional value. Reading and checking
live in `lakewinnow.config.file`; past it no code asks whether a key is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from lakewinnow.config.types import (
    Action,
    AtLeast,
    Between,
    Count,
    EngineName,
    Format,
    Fraction,
    Options,
    OrInteger,
    OutputFormat,
)


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """Where the labelled rows come from, and which columns matter."""

    path: str | None = None
    table: str | None = None
    format: Format | None = None
    version: int | str | None = None  # of a Delta or Iceberg table
    options: Options = field(default_factory=dict)
    text: str | None = None  # required, but with embedding or features
    label: str
    id: str | None = None
    pred_probs: str | None = None
    classes: tuple[Annotated[str, OrInteger()], ...] | None = None
    embedding: str | None = None
    features: tuple[str, ...] | None = None
    max_text_length: Count = 100_000
    max_bad_fraction: Fraction = 0.1

    @property
    def has_own_vectors(self) -> bool:
        """Whether rows come with what the classifier sees, so that no text is embedded."""
        return self.embedding is not None or self.features is not None


@dataclass(frozen=True, kw_only=True)
class OpenAIConfig:
    """How to talk to an OpenAI-compatible embeddings service."""

    base_url: str | None = None
    api_version: str | None = None  # Azure OpenAI's; base_url is its endpoint then
    mode: Literal["sync", "batch"] = "sync"
    concurrency: Count = 4  # requests at once in a task
    max_requests_per_minute: Count = 3000
    max_tokens_per_minute: Count = 1_000_000
    max_cost_usd: Annotated[float, AtLeast(0)] | None = None
    price_per_million_tokens: Annotated[float, AtLeast(0)] | None = None
    timeout_s: Annotated[float, AtLeast(0.1)] = 60.0
    max_retries: Annotated[int, AtLeast(0)] = 6
    poll_s: Annotated[float, AtLeast(0.01)] = 30.0  # batch: between two looks at how far it is


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """How a text becomes a vector, and where vectors are kept."""

    provider: str = "static"
    layers: Literal["final"] | tuple[int, ...] = "final"
    candidates: tuple[Options, ...] = ()  # sections like this one, each over the rest of it
    candidate_rows: Annotated[int, AtLeast(100)] = 5000
    model: str | None = None
    dimensions: Count | None = None
    normalize: bool = True
    long_texts: Literal["truncate", "split-mean", "quarantine"] = "truncate"
    store: str | None = None
    precision: Literal["float32", "float16"] = "float32"
    batch_size: Count | None = None
    openai: OpenAIConfig = field(default_factory=OpenAIConfig)
    options: Options = field(default_factory=dict)  # of a provider that is not ours


HALF = "+float16"  # ends the name of a model whose vectors are rounded


@dataclass(frozen=True)
class EmbeddingIdentity:
    """What decides a vector beside the text: with the text key, the key of the store."""

    provider: str
    model: str
    dimensions: int


@dataclass(frozen=True, kw_only=True)
class CrossvalConfig:
    """How out-of-sample probabilities are made."""

    mode: Literal["shard", "global", "auto"] = "shard"
    rows_per_shard: Count = 50_000
    max_train_rows: Count = 200_000
    folds: Annotated[int, Between(2, 1000)] = 10
    seed: int = 0
    standardize: Literal["auto"] | bool = "auto"
    classifier: str = "logistic"
    params: Options = field(
        default_factory=lambda: {"C": "auto", "class_weight": "balanced", "max_iter": 200}
    )


@dataclass(frozen=True, kw_only=True)
class LabelIssuesConfig:
    """Which rows are called label issues, and in which order."""

    method: Literal["confident_learning", "posterior"] = "confident_learning"
    filter_by: Literal[
        "prune_by_noise_rate",
        "prune_by_class",
        "both",
        "confident_learning",
        "predicted_neq_given",
        "low_self_confidence",
        "low_normalized_margin",
    ] = "prune_by_noise_rate"
    rank_by: Literal["self_confidence", "normalized_margin", "confidence_weighted_entropy"] = (
        "self_confidence"
    )
    adjust_pred_probs: bool = False
    frac_noise: Fraction = 1.0
    min_examples_per_class: Annotated[int, AtLeast(0)] = 1
    num_to_remove_per_class: Mapping[str, Annotated[int, AtLeast(0)]] | None = None


@dataclass(frozen=True, kw_only=True)
class NeighborsConfig:
    """Which texts are near to each text, for the checks that ask."""

    k: Count = 10
    metric: Literal["auto", "cosine", "euclidean"] = "auto"
    max_reference_rows: Annotated[int, AtLeast(1000)] = 20_000  # distinct texts


@dataclass(frozen=True, kw_only=True)
class OutliersConfig:
    """Which rows are like no others."""

    by: Literal["auto", "embedding", "pred_probs"] = "auto"
    threshold: Fraction | None = None
    method: Literal["entropy", "least_confidence"] = "entropy"  # by pred_probs

    def judged_by(self, has_vectors: bool) -> Literal["embedding", "pred_probs"]:  # noqa: FBT001
        """Return what the rows are judged by: vectors, where there are some."""
        if self.by == "auto":
            return "embedding" if has_vectors else "pred_probs"
        return self.by


@dataclass(frozen=True, kw_only=True)
class NearDuplicatesConfig:
    """Which rows are taken for the same, though their texts are not equal."""

    by: Literal["text", "embedding"] = "text"
    threshold: Fraction | None = None
    shingle: Literal["character", "word"] = "character"
    shingle_size: Annotated[int, Between(1, 50)] | None = None
    permutations: Annotated[int, Between(16, 1024)] = 256
    seed: Annotated[int, AtLeast(0)] = 0


@dataclass(frozen=True, kw_only=True)
class TextRuleConfig:
    """A rule for texts that a preset does not have, or not with this limit."""

    use: str  # the name of a rule, or the import path of a function of a text
    above: float | None = None
    below: float | None = None
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """What a text may not be like, whatever its label."""

    presets: tuple[Literal["basic", "gopher_quality", "gopher_repetition", "c4"], ...] = ("basic",)
    rules: tuple[Options, ...] = ()  # each a TextRuleConfig
    without: tuple[str, ...] = ()
    words: str | None = None
    languages: tuple[str, ...] = ()
    min_language_prob: Fraction = 0.2
    min_language_bytes: Annotated[int, AtLeast(0)] = 40


PiiKind = Literal["email", "iban", "card", "ip", "phone"]


@dataclass(frozen=True, kw_only=True)
class PiiConfig:
    """Which personal data to look for."""

    kinds: tuple[PiiKind, ...] = get_args(PiiKind)


@dataclass(frozen=True, kw_only=True)
class ImbalanceConfig:
    """When a class is too rare."""

    threshold: Fraction = 0.1


@dataclass(frozen=True, kw_only=True)
class NullsConfig:
    """Which columns are looked at for values that are missing."""

    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class NonIidConfig:
    """Whether the order of the rows matters."""

    by: str  # a table has no order but that of a column


@dataclass(frozen=True, kw_only=True)
class GroupsConfig:
    """Which groups of rows the classifier does badly on."""

    columns: tuple[str, ...] = ()
    clusters: bool = True
    threshold: Fraction = 0.1
    min_rows: Count = 5
    max_distance: Annotated[float, AtLeast(0)] = 0.5


@dataclass(frozen=True, kw_only=True)
class ValuationConfig:
    """Which rows do more harm than good."""

    threshold: Fraction = 0.5


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """What rows are compared with, to tell whether they are still like it."""

    reference: str | None = None  # another run's workspace, or a table of the input's columns
    format: Format | None = None
    by: str | None = None  # or a column of the input
    max_texts: Annotated[int, AtLeast(100)] = 5000  # of either side, whose vectors are compared
    false_alarms: Annotated[float, Between(0.01, 0.5)] = 0.05

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to compare with."""
        return self.reference is not None or self.by is not None


@dataclass(frozen=True, kw_only=True)
class ChecksConfig:
    """The checks beside label issues; null turns one off."""

    neighbors: NeighborsConfig = field(default_factory=NeighborsConfig)
    outliers: OutliersConfig | None = field(default_factory=OutliersConfig)
    near_duplicates: NearDuplicatesConfig | None = field(default_factory=NearDuplicatesConfig)
    exact_duplicates: Options | None = field(default_factory=dict)
    imbalance: ImbalanceConfig | None = field(default_factory=ImbalanceConfig)
    nulls: NullsConfig | None = None
    non_iid: NonIidConfig | None = None
    groups: GroupsConfig | None = None
    valuation: ValuationConfig | None = None
    drift: DriftConfig | None = field(default_factory=DriftConfig)
    text: TextConfig | None = field(default_factory=TextConfig)
    pii: PiiConfig | None = None

    @property
    def need_neighbors(self) -> bool:
        """Whether a check asks which texts are near to each text."""
        by_distance = self.outliers is not None and self.outliers.by != "pred_probs"
        by_cluster = self.groups is not None and self.groups.clusters
        alike = self.near_duplicates
        by_distance |= alike is not None and alike.by == "embedding"
        return by_distance or by_cluster or self.non_iid is not None or self.valuation is not None


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """What happens to the rows that have an issue."""

    label_issues: Literal["drop", "fix", "review", "keep", "auto"] = "drop"
    require_improvement: bool = False
    fix_above: Fraction | None = None
    else_: Action = "review"
    decisions: str | None = None
    outliers: Action = "keep"
    imbalance: Action = "keep"
    nulls: Action = "keep"
    non_iid: Action = "keep"
    groups: Action = "keep"
    valuation: Action = "keep"
    near_duplicates: Action = "keep"
    exact_duplicates: Action = "drop"
    text: Action = "keep"
    pii: Literal["drop", "review", "redact", "keep"] = "keep"
    pii_tag: str = "‹{kind}›"
    max_drop_fraction: Fraction = 0.5
    max_class_fraction: Fraction = 0.9

    @property
    def is_to_be_chosen(self) -> bool:
        """Whether trusted rows have a say in what becomes of label issues."""
        return self.label_issues == "auto" or self.require_improvement


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """How the clean dataset is written."""

    format: OutputFormat = "parquet"
    partition_by: tuple[str, ...] = ()
    rows_per_file: Count = 500_000
    mode: Literal["errorifexists", "overwrite"] = "errorifexists"
    soft_labels: bool = False


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to measure the cleaned data against."""

    holdout: str | None = None
    trusted: str | None = None  # a column of the input, in place of a holdout
    trusted_fraction: Fraction = 1.0
    format: Format | None = None
    reference: str | None = None
    params: Options = field(default_factory=dict)  # over crossval.params, of models compared
    max_train_rows: Annotated[int, AtLeast(100)] = 20_000
    seeds: Count = 3

    @property
    def has_holdout(self) -> bool:
        """Whether there are trusted rows to compare models on."""
        return self.holdout is not None or self.trusted is not None


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Fine-tuning files to write beside the clean dataset."""

    format: Literal["openai-chat", "prompt-completion", "huggingface"] | None = None
    system: str | None = None
    validation_fraction: Fraction = 0.1
    max_tokens: Count = 65_536  # of an example
    soft_copies: Annotated[int, Between(2, 100)] | None = None
    price_per_million_tokens: Annotated[float, AtLeast(0)] | None = None


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """What `lakewinnow finetune` trains, where, and what it may cost."""

    provider: Literal["local", "openai"] = "local"
    model: str | None = None
    variants: (
        tuple[
            Literal[
                "baseline", "control", "dropped", "fixed", "soft", "reviewed", "clean", "ceiling"
            ],
            ...,
        ]
        | None
    ) = None
    epochs: Count = 3
    seeds: Count | None = None
    max_train_rows: Annotated[int, AtLeast(100)] = 20_000
    # local
    layers: Literal["all"] | Count | None = None
    learning_rate: Annotated[float, Between(0, 1)] = 5e-5
    batch_size: Count = 16
    # openai
    base_url: str | None = None
    suffix: str = "lakewinnow"
    max_cost_usd: Annotated[float, AtLeast(0)] | None = None
    price_per_million_tokens: Annotated[float, AtLeast(0)] | None = None
    price_per_million_asked: Annotated[float, AtLeast(0)] | None = None
    poll_s: Annotated[float, AtLeast(0.01)] = 30.0
    concurrency: Count = 4
    timeout_s: Annotated[float, AtLeast(0.1)] = 60.0
    max_retries: Annotated[int, AtLeast(0)] = 6


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a run depends on."""

    input: InputConfig
    workspace: str
    engine: EngineName = "auto"
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    crossval: CrossvalConfig = field(default_factory=CrossvalConfig)
    label_issues: LabelIssuesConfig = field(default_factory=LabelIssuesConfig)
    checks: ChecksConfig = field(default_factory=ChecksConfig)
    clean: CleanConfig = field(default_factory=CleanConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)

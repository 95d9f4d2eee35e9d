"""The configuration: frozen sections, and the keys, types and defaults that a user may rely on.

One class a section of the YAML file. A field's annotation is its check: `Literal` lists the
choices, `Annotated[..., AtLeast(2)]` a bound, `| None` an optional value. The string below a field
is its text, which `conf/base.yaml`, the guide and the JSON Schema show: `python -m
lakewinnow.config.generate` writes them. Reading and checking live in `lakewinnow.config.file`; past
it no code asks whether a key is there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, make_dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from lakewinnow.config.types import (
    Above,
    Action,
    AnnotationsFormat,
    AtLeast,
    Between,
    ColumnName,
    Count,
    EngineName,
    FileFormat,
    Fraction,
    InputFormat,
    KeysOf,
    LabellingTool,
    Options,
    OrInteger,
    OutputFormat,
    ReadPath,
    WrittenPath,
)
from lakewinnow.plan.check import Check
from lakewinnow.plan.registry import USE, own_checks

Key: TypeAlias = tuple[str, Any, Any]  # name, type and `field` of a key that a check adds
Cls = TypeVar("Cls", bound=type)
Section = TypeVar("Section")
Classifying = TypeVar("Classifying", bound="ClassifierConfig")


@dataclass(frozen=True, kw_only=True)
class AnnotationsConfig:
    """Labels that people, or others, gave to rows of the input: a table of opinions."""

    path: ReadPath | None = None
    """File or folder: a line per row and annotator, or a line per row, as `columns` says. null:
    there is none."""
    format: AnnotationsFormat | None = None
    """Format of the file. label-studio: what it exports as JSON. null: its ending says
    it."""
    options: Options = field(default_factory=dict)
    """Options of Spark's reader for the format."""
    row: str = "row_id"
    """Its column that says which row: what `input.id` has there, or the row_id of issues/. Of
    label-studio a name in `data`."""
    annotator: str = "annotator"
    """Its column of who says it. Tools for labelling have their own."""
    label: str = "label"
    """Its column of what they say: a class of the input, as the input spells it. Of tools for
    labelling, the name of the question."""
    columns: tuple[str, ...] | None = None
    """A wide table: its columns of labels, one per annotator, named for them; null or blank where
    one has said nothing. null: a long one, with the columns `annotator` and `label`."""


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """Where the labelled rows come from, and which columns matter."""

    path: ReadPath | None = None
    """File or folder: data/train.csv, s3://bucket/tickets/, hdfs://… Either this or `table`."""
    table: str | None = None
    """A table of the catalog: catalog.schema.name."""
    format: InputFormat | None = None
    """json: one document per line. null: taken from the path's ending."""
    version: int | str | None = None
    """Version of a delta or iceberg table: a number, a snapshot id, or a time such as
    2026-01-31T12:00:00 (UTC unless it says otherwise). null: the newest."""
    options: Options = field(default_factory=dict)
    """Options of Spark's reader for the format. CSV is read as RFC 4180 with a header."""
    text: ColumnName | None = None
    """Column of strings. Required unless `embedding`, `features` or `pred_probs` is given."""
    label: ColumnName
    """Required: column of strings or integers, the given labels."""
    id: ColumnName | None = None
    """Unique column without nulls. null: ids are made from each row's content."""
    classes: tuple[Annotated[str, OrInteger()], ...] | None = None
    """Fixed, ordered list; quote numbers that begin with 0. null: the input's labels, sorted."""
    unlabelled: Literal["quarantine", "label"] = "quarantine"
    """What happens to rows without a label: quarantine | label (they get the predicted label as far
    as `clean.fix_at_most_wrong` can be promised of it too; the others go to quarantine)."""
    normalize_labels: bool = False
    """Labels that differ by case, blanks or Unicode form alone become one: the class of `classes`
    that is like them, else the label in lower case, without the blanks around it."""
    max_text_length: Count = 100_000
    """Rows whose text has more characters go to quarantine."""
    pred_probs: ColumnName | None = None
    """Your own probabilities: column of arrays (or vectors), one number per class, in the
    order of `classes`. Nothing is embedded or cross-validated then, and `text` may be null."""
    embedding: ColumnName | None = None
    """Your own embedding, of an image for example: column of arrays (or vectors) of numbers. No
    text is embedded then. If `text` is set too, rows are equal where both are."""
    features: tuple[ColumnName, ...] | None = None
    """Columns of numbers and categories instead of text: [age, income, job]. They are imputed,
    scaled and one-hot encoded; nothing is embedded."""
    on_corrupt: Literal["fail", "quarantine"] = "fail"
    """What a Parquet, Arrow or Excel file does that is cut off or damaged: fail (the run stops) |
    quarantine (it is a row of quarantine/, and none of its rows is used)."""
    max_bad_fraction: Fraction = 0.1
    """The run stops with exit code 4 if more rows than this have `pred_probs` or an `embedding`
    that cannot be used."""
    annotations: AnnotationsConfig = field(default_factory=AnnotationsConfig)

    @property
    def has_own_vectors(self) -> bool:
        """Whether rows come with what the classifier sees, so that no text is embedded."""
        return self.embedding is not None or self.features is not None

    @property
    def has_wide_rows(self) -> bool:
        """Whether rows come with a number for each class, of which there may be thousands."""
        return self.pred_probs is not None


@dataclass(frozen=True, kw_only=True)
class OpenAIConfig:
    """OpenAI, or any compatible server. The key is read from OPENAI_API_KEY."""

    base_url: str | None = None
    """Address of the service. null: OpenAI's."""
    api_version: str | None = None
    """Version of Azure OpenAI's API; `base_url` is the endpoint then, `embedding.model` the
    deployment. null: another service."""
    mode: Literal["sync", "batch"] = "sync"
    """sync | batch (half the price, within a day)."""
    concurrency: Count = 4
    """Requests that a task has open at once."""
    max_requests_per_minute: Count = 3000
    """Limit for all tasks together."""
    max_tokens_per_minute: Count = 1_000_000
    """Limit for all tasks together."""
    max_cost_usd: Annotated[float, AtLeast(0)] | None = None
    """The run stops before it spends more than this."""
    price_per_million_tokens: Annotated[float, AtLeast(0)] | None = None
    """Price in USD. null: OpenAI's list price, where the model has one."""
    timeout_s: Annotated[float, AtLeast(0.1)] = 60.0
    """Seconds to wait for an answer."""
    max_retries: Annotated[int, AtLeast(0)] = 6
    """How often a request is sent again after a failure that may be temporary."""
    poll_s: Annotated[float, AtLeast(0.01)] = 30.0
    """Mode batch: seconds between checks on a batch."""


@dataclass(frozen=True, kw_only=True)
class CandidateConfig:
    """One way to turn a text into a vector."""

    provider: str = "static"
    """static (a table of tokens, no download) | sentence-transformers | openai, or a provider that
    another package registers."""
    model: str | None = None
    """A name, or a folder. null: the provider's default."""
    dimensions: Count | None = None
    """Numbers in a vector; for provider static 256, 128 or 64. null: as many as the model gives."""
    layers: Literal["final"] | tuple[int, ...] = "final"
    """Provider sentence-transformers: final, or a list of hidden layers such as [2, 3, 4], each
    mean-pooled, then concatenated."""
    normalize: bool = True
    """Whether vectors are scaled to unit length."""
    long_texts: Literal["truncate", "split-mean", "quarantine"] = "truncate"
    """Texts longer than the model takes: truncate | split-mean (the mean of the vectors of its
    pieces) | quarantine."""
    store: WrittenPath | None = None
    """Folder that keeps vectors, so that none is paid for twice; runs may share one. null:
    WORKSPACE/embeddings."""
    precision: Literal["float32", "float16"] = "float32"
    """float16 rounds to half precision (1e-4 of a unit vector) and takes about half the bytes of
    float32."""
    batch_size: Count | None = None
    """Texts in a request. null: the provider's default."""
    openai: OpenAIConfig = field(default_factory=OpenAIConfig)
    options: Options = field(default_factory=dict)
    """Options of a provider that another package registers."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig(CandidateConfig):
    """How a text becomes a vector, and where vectors are kept."""

    candidates: tuple[Annotated[Options, KeysOf(CandidateConfig)], ...] = ()
    """Sections like this one, each overriding the rest of it: [{provider: static}, {provider:
    sentence-transformers, layers: [2, 3, 4]}]. They are compared on a sample by held-out log loss
    of the given labels, classes weighted equally; the best one is used."""
    candidate_rows: Annotated[int, AtLeast(100)] = 5000
    """Rows of the sample that candidates are compared on, stratified by class."""


HALF = "+float16"  # ends the name of a model whose vectors are rounded


@dataclass(frozen=True)
class EmbeddingIdentity:
    """What decides a vector beside the text: with the text key, the key of the store."""

    provider: str
    model: str
    dimensions: int


@dataclass(frozen=True, kw_only=True)
class LogisticParams:
    """Parameters of the built-in classifier, logistic."""

    C: Literal["auto"] | Annotated[float, Above(0)] = "auto"
    """Inverse regularisation strength, as in scikit-learn. auto: chosen by held-out log loss."""
    class_weight: Literal["balanced"] | Mapping[str, Annotated[float, AtLeast(0)]] | None = (
        "balanced"
    )
    """balanced | null | {class name: weight}."""
    max_iter: Count = 200
    """The most steps that the solver takes."""


@dataclass(frozen=True, kw_only=True)
class FinetunedParams:
    """Parameters of the classifier finetune, a small transformer that learns from the texts."""

    model: str | None = None
    """A folder, or a name on the Hugging Face hub. null: all-MiniLM-L6-v2."""
    epochs: Count = 3
    """Passes over the training rows."""
    seeds: Count = 1
    """Models a fold, whose probabilities are averaged."""
    layers: Literal["all"] | Count | None = None
    """How many layers to train, from the top, or all. null: 3 on a CPU, all on a GPU."""
    learning_rate: Annotated[float, Between(0, 1)] = 1e-4
    """Step size of the optimiser."""
    batch_size: Count = 16
    """Texts in a step."""
    class_weight: Literal["balanced"] | Mapping[str, Annotated[float, AtLeast(0)]] | None = (
        "balanced"
    )
    """balanced | null | {class name: weight}."""


LOGISTIC, FINETUNE = "logistic", "finetune"  # classifiers of ours
# Kinds of annotators, and the table of what those of a kind say
ANNOTATION, FUNCTION, LLM = "annotation", "function", "llm"
OPINION_TABLES: Mapping[str, str] = {
    ANNOTATION: "opinions/annotations",
    FUNCTION: "opinions/functions",
    LLM: "opinions/llm",
}
OWN_PARAMS: Mapping[str, type] = {LOGISTIC: LogisticParams, FINETUNE: FinetunedParams}


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """A classifier, and how it learns."""

    classifier: str = LOGISTIC
    """logistic (built in) | finetune (a small transformer learns from the texts; minutes; extra
    sentence-transformers) | the import path of a scikit-learn classifier with predict_proba, or of
    a function that returns one: sklearn.ensemble.HistGradientBoostingClassifier."""
    params: Options = field(default_factory=lambda: asdict(LogisticParams()))
    """Parameters of the classifier. One by import path gets only what you write here."""
    standardize: Literal["auto"] | bool = "auto"
    """Whether columns are scaled to unit variance. auto: logistic does so unless rows have unit
    norm, others do not."""

    def with_params(self: Classifying) -> Classifying:
        """Return the same with all parameters of a classifier of ours, those left out by default.

        The default of `params` is that of logistic, and of no other.
        """
        own, params = OWN_PARAMS.get(self.classifier), self.params
        if self.classifier != LOGISTIC and params == asdict(LogisticParams()):
            params = {}
        return replace(self, params={**(asdict(own()) if own else {}), **params})


@dataclass(frozen=True, kw_only=True)
class CrossvalConfig(ClassifierConfig):
    """How out-of-sample probabilities are made."""

    classifiers: tuple[Annotated[Options, KeysOf(ClassifierConfig, "classifier")], ...] = ()
    """Several in place of one, whose probabilities are combined: [logistic, finetune], or a mapping
    for one with parameters of its own, {classifier: finetune, params: {epochs: 2}}. `params` and
    `standardize` hold for the one that `classifier` names."""
    combine: Literal["auto", "average", "stack"] = "auto"
    """With `classifiers`: average | stack (weighted, by weights that sum to 1; those of a fold have
    the least log loss on the given labels of the other folds) | auto (whichever has less held-out
    log loss, classes weighted equally)."""
    mode: Literal["shard", "global", "auto"] = "shard"
    """shard (each shard cross-validates in one task) | global (one model per fold for the whole
    corpus) | auto (global where a shard has fewer than 500 rows per class). finetune is always
    global."""
    rows_per_shard: Count = 50_000
    """More rows than this are split into equal pseudo-random shards. A task's peak memory is about
    rows × dimensions × 20 bytes + rows × classes × 12 bytes."""
    max_train_rows: Count = 200_000
    """Mode global, and finetune: rows of the stratified sample that models learn from."""
    folds: Annotated[int, Between(2, 1000)] = 10
    """Folds of cross-validation; equal texts share a fold."""
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0
    """Seed of shards, folds and samples."""
    repeats: Literal["auto"] | Annotated[int, Between(1, 100)] = "auto"
    """How often a shard is cross-validated, with other folds each time; a row's probabilities are
    the geometric mean, so that what becomes of it depends less on the folds. auto: 1, but 5 where
    logistic explains less than half of the classes' entropy, and all rows are one shard."""

    @property
    def members(self) -> tuple["CrossvalConfig", ...]:
        """A section for each classifier, of one alone."""
        return tuple(self._member(said) for said in self.classifiers) or (self.with_params(),)

    @property
    def on_vectors(self) -> "CrossvalConfig":
        """The section of the first classifier that sees vectors; logistic, where none does."""
        seen = (member for member in self.members if member.classifier != FINETUNE)
        return next(seen, self._member({"classifier": LOGISTIC}))

    def _member(self, said: Mapping[str, Any]) -> "CrossvalConfig":
        name, default = said.get("classifier", LOGISTIC), ClassifierConfig()
        others = {"classifier": name, "params": default.params, "standardize": default.standardize}
        rest = self if name == self.classifier else replace(self, **others)
        rest = replace(rest, classifiers=(), combine="auto").with_params()
        params = {**rest.params, **said.get("params", {})}
        return replace(rest, params=params, standardize=said.get("standardize", rest.standardize))


@dataclass(frozen=True, kw_only=True)
class LabelIssuesConfig:
    """Which rows are called label issues, and in which order."""

    method: Literal["confident_learning", "posterior"] = "confident_learning"
    """confident_learning (cleanlab's rules) | posterior (flags rows where another label is more
    probable, given the text, the given label and how often labels go wrong; it does not use the
    other keys)."""
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
    """Whether to correct for how confident the model is of each class on average."""
    frac_noise: Fraction = 1.0
    """Share of the estimated noise to flag."""
    min_examples_per_class: Annotated[int, AtLeast(0)] = 1
    """Classes with this many rows or fewer are never flagged."""
    num_to_remove_per_class: Mapping[str, Annotated[int, AtLeast(0)]] | None = None
    """With prune_by_class: {positive: 10} flags the 10 worst of that class, none of others."""


@dataclass(frozen=True, kw_only=True)
class LLMConfig:
    """A language model that says which label unsure rows have; its key is OPENAI_API_KEY."""

    model: str | None = None
    """The model to ask, by its name at a chat server that speaks OpenAI's protocol. null: none."""
    base_url: str | None = None
    """Address of the server: http://localhost:8000/v1. null: OpenAI's."""
    api_version: str | None = None
    """Version of Azure OpenAI's API; `base_url` is the endpoint then, `model` the deployment. null:
    another service."""
    mode: Literal["sync", "batch"] = "sync"
    """sync | batch (OpenAI's: half the price, within a day for each round of questions)."""
    instruction: str | None = None
    """What the model is to do. null: say which class a text belongs to."""
    describe: Mapping[str, str] = field(default_factory=dict)
    """What classes mean, by name: {polite: the writer thanks, or asks kindly}."""
    examples: Annotated[int, Between(0, 20)] = 1
    """Rows of each class that the model is shown with their label: those that are believed most.
    They are not asked about."""
    samples: Annotated[int, Between(1, 100)] = 1
    """Answers to a text; the class that most of them name is the opinion."""
    max_rows: Count | None = None
    """Texts that are asked about, at most. null: as many as are unsure, and may be paid."""
    sure_at: Annotated[float, Between(0.5, 1)] = 0.95
    """Rows of which a label is as probable as this are not asked about."""
    max_cost_usd: Annotated[float, AtLeast(0)] | None = None
    """No question is asked beyond this. What opinions that are already in the store have cost
    counts, too, so a run that is killed and goes on spends no more."""
    input_price_per_million_tokens: Annotated[float, AtLeast(0)] | None = None
    """Price of questions in USD. null: OpenAI's list price, where the model has one."""
    output_price_per_million_tokens: Annotated[float, AtLeast(0)] | None = None
    """Price of answers in USD. null: OpenAI's list price, where the model has one."""
    logprobs: bool = True
    """Whether to ask for log-probabilities, which say how sure the model is, where there are some.
    A few servers take long for them."""
    answer_tokens: Count | None = None
    """Tokens of an answer, at most. null: as many as the longest class takes; a model that thinks
    before it answers needs more."""
    concurrency: Count = 4
    """Requests that are open at once."""
    max_requests_per_minute: Count = 500
    """Limit of the service."""
    max_tokens_per_minute: Count = 200_000
    """Limit of the service."""
    timeout_s: Annotated[float, AtLeast(0.1)] = 60.0
    """Seconds to wait for an answer."""
    max_retries: Annotated[int, AtLeast(0)] = 6
    """How often a request is sent again after a failure that may be temporary."""
    poll_s: Annotated[float, AtLeast(0.01)] = 30.0
    """Mode batch: seconds between checks on a batch."""
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0
    """Seed of the order of the classes, and of the answers, where the server takes one."""
    store: WrittenPath | None = None
    """Folder that keeps opinions, so that none is paid for twice; runs may share one. null:
    WORKSPACE/opinion_store."""


@dataclass(frozen=True, kw_only=True)
class OpinionsConfig:
    """Who else says which label a row has, beside the given label and `input.annotations`."""

    functions: tuple[str, ...] = ()
    """Labelling functions, each an annotator: import paths, [rules.says_refund], or of functions in
    a file, [./rules.py:says_refund]. One is given a text, and returns a class or None."""
    llm: LLMConfig = field(default_factory=LLMConfig)


@dataclass(frozen=True, kw_only=True)
class AskConfig:
    """The rows of which one more opinion is worth most, as a table: ask/."""

    rows: Count | None = 200
    """How many rows. null: there is no such table."""
    format: LabellingTool | None = None
    """The rows also as files that a tool for labelling imports, in labelling/:
    label-studio. `input.annotations.format` reads its answers. null: none."""


@dataclass(frozen=True, kw_only=True)
class NeighborsConfig:
    """The nearest texts to each text, found once for all checks that need them."""

    k: Count = 10
    """How many neighbours to find."""
    metric: Literal["auto", "cosine", "euclidean"] = "auto"
    """auto: cosine for vectors of more than 3 numbers, else euclidean."""
    max_reference_rows: Annotated[int, AtLeast(1000)] = 20_000
    """Distinct texts that each text is compared with: all, or a sample of this size."""


def _with_a_key_each(keys_of: Callable[[Check[Any]], Iterable[Key]]) -> Callable[[Cls], Cls]:
    """Add the keys of our own checks to a section, before it is made a dataclass."""

    def add(cls: Cls) -> Cls:
        for check in own_checks():
            for name, kind, value in keys_of(check):
                cls.__annotations__[name] = kind
                setattr(cls, name, value)
        return cls

    return add


def section_key(check: Check[Any]) -> Iterator[Key]:
    """Yield the key of `checks` that a check has; a section that names its check says so."""
    section: Any = check.section
    if check.is_referred:
        use = [(USE, str)]
        section = make_dataclass(section.__name__, use, bases=(section,), frozen=True, kw_only=True)
    yield check.name, section | None, field(default=check.default)


def clean_keys(check: Check[Any]) -> Iterator[Key]:
    """Yield the keys of `clean` that a check has: its action, and what its actions look at."""
    if check.actions:
        about = {"about": check.about_action}
        yield check.name, Literal[check.actions], field(default=check.action, metadata=about)
    for option in check.options:
        about = {"about": option.about}
        yield option.name, option.type, field(default=option.default, metadata=about)


@dataclass(frozen=True, kw_only=True)
@_with_a_key_each(section_key)
class ChecksConfig:
    """The checks beside label issues; null turns one off."""

    known = own_checks()  # those that may be turned on, in the order of their columns

    neighbors: NeighborsConfig = field(default_factory=NeighborsConfig)

    def section(self, check: Check[Section]) -> Section | None:
        """Return the section of a check; None where it is off."""
        section: Section | None = getattr(self, check.name, None)
        return section

    @property
    def on(self) -> tuple[Check[Any], ...]:
        """The checks that are made."""
        sections = ((check, self.section(check)) for check in self.known)
        return tuple(of for of, section in sections if section is not None and of.is_asked(section))

    @property
    def of_rows(self) -> tuple[Check[Any], ...]:
        """Those of them that judge each row."""
        return tuple(check for check in self.on if check.is_issue is not None)

    @property
    def sets(self) -> dict[str, str]:
        """By table of those that find rows alike, the column of the set that a row is in."""
        return {check.table: check.set_of for check in self.on if check.set_of is not None}


@dataclass(frozen=True, kw_only=True)
@_with_a_key_each(clean_keys)
class CleanConfig:
    """What happens to the rows that have an issue: drop, review (set aside) or keep."""

    label_issues: Literal["safe", "drop", "fix", "review", "keep", "auto"] = "safe"
    """safe (drop those that the noise model, too, says are wrong, and set the others aside) |
    drop (all) | fix (take the suggested label) | review (set aside) | keep | auto (whichever of
    keep, drop and fix makes the best models on half of the trusted rows of `evaluate`; keep, unless
    another is shown to be better. Without trusted rows: fix, unverified)."""
    require_improvement: bool = False
    """true: unless a change is shown to help on the trusted rows, clean/ is the input unchanged,
    apart from your decisions and pii."""
    fix_above: Fraction | None = None
    """With fix: the lowest suggested_prob to fix. null: fix all, which measured best."""
    fix_at_most_wrong: Annotated[float, Between(0.001, 0.999)] | None = None
    """With fix: of the rows that are fixed, this share at most has a wrong new label. Only so many
    are fixed, the surest first, as the rows that people checked allow; see `decisions`."""
    drop_at_most_good: Annotated[float, Between(0.001, 0.999)] | None = None
    """With drop: of the rows that are dropped for their label, this share at most has a right
    one."""
    promise_confidence: Annotated[float, Between(0.5, 0.999)] = 0.9
    """How probable it is that fix_at_most_wrong and drop_at_most_good hold."""
    else_: Action = "review"
    """What happens to label issues that fix_above, fix_at_most_wrong or drop_at_most_good leave."""
    max_drop_fraction: Fraction = 0.5
    """A run that would drop a larger share stops with exit code 4 before it writes."""
    max_class_fraction: Fraction = 0.9
    """Largest share of a class that checks may drop, set aside or relabel. The worst rows go and
    the rest stay, so that no class is emptied. 1: no limit."""
    decisions: ReadPath | None = None
    """Your own decisions, which always win, as the review page saves them: a CSV, JSON or
    Parquet file with row_id, decision (keep | drop) or label (the right one), and by (who
    decided; optional)."""
    checked_label: ColumnName | None = None
    """Column of the input with the right label of a random sample of its rows, that people checked;
    null or blank in others. They get that label, unless `decisions` has another, and promises rest
    on them."""
    decisions_at_random: bool = False
    """true: the rows in `decisions` are a random sample of the input, so promises may rest on all
    of them. false: only on those of the sample that `lakewinnow review draw` drew."""

    @property
    def is_to_be_chosen(self) -> bool:
        """Whether trusted rows have a say in what becomes of label issues."""
        return self.label_issues == "auto" or self.require_improvement

    @property
    def is_promised(self) -> bool:
        """Whether checked rows are to show how far label issues may be fixed or dropped."""
        return bool(self.promise_key)

    @property
    def is_fix_promised(self) -> bool:
        """Whether they are to show how far labels may be taken from models."""
        return self.promise_key == "clean.fix_at_most_wrong"

    @property
    def promise_key(self) -> str:
        """The key that asks for a promise, of the action that is taken; "" where none does."""
        names = {"fix": "fix_at_most_wrong", "drop": "drop_at_most_good"}
        name = names.get(self.label_issues)
        return f"clean.{name}" if name and getattr(self, name) is not None else ""

    def action(self, check: Check[Any]) -> str:
        """Return what happens to rows that have a check's issue: one of its actions."""
        return self.option(check.name)

    def option(self, name: str) -> str:
        """Return the value of a key that a check has added."""
        value: str = getattr(self, name)
        return value


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """How the clean dataset is written."""

    format: OutputFormat = "parquet"
    """Format of clean/, review/ and dropped/."""
    partition_by: tuple[ColumnName, ...] = ()
    """Columns of the input whose values make folders of the output."""
    rows_per_file: Count = 500_000
    """Most rows in a file of parquet and, on Spark, of delta and iceberg."""
    mode: Literal["errorifexists", "overwrite"] = "errorifexists"
    """errorifexists (refuse a workspace that is neither empty nor an earlier run's) | overwrite
    (write into any folder, over what has the name of something that a run writes)."""
    keep_versions: Annotated[int, AtLeast(0)] = 0
    """How many earlier versions of the workspace stay readable; the last one does until the next is
    whole."""
    soft_labels: bool = False
    """Whether clean/ has soft_label, a probability for each class; their order is in
    summary.json."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to measure the cleaned data against."""

    reference: ReadPath | None = None
    """The input's rows with corrected labels, to count how many of the errors were found."""
    holdout: ReadPath | None = None
    """Rows with trusted labels and the input's columns that are not in the input. Models trained on
    the labels as given, without issues, fixed, … are compared on them."""
    trusted: ColumnName | None = None
    """Or a column of the input that is true for rows whose labels you trust. These become the
    holdout: no model learns from them, and they are not in clean/."""
    trusted_fraction: Fraction = 1.0
    """Share of the trusted rows that are held out; the others are treated like any other row."""
    format: FileFormat | None = None
    """Format of reference and holdout. null: their endings say it."""
    params: Options = field(default_factory=dict)
    """Parameters of the models compared, overriding `crossval.params`: {class_weight: null}."""
    max_train_rows: Annotated[int, AtLeast(100)] = 20_000
    """If there are more rows, a stratified sample of this size is trained on. A task's peak memory
    is about (these + 20,000 of the holdout) × dimensions × 20 bytes."""
    seeds: Count = 3
    """How many seeds each model is trained with. Each trains 5 times, leaving out a fifth of the
    rows in turn."""

    @property
    def has_holdout(self) -> bool:
        """Whether there are trusted rows to compare models on."""
        return self.holdout is not None or self.trusted is not None


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Fine-tuning files to write beside the clean dataset."""

    format: Literal["openai-chat", "prompt-completion", "huggingface"] | None = None
    """Format of the files in exports/. null: none are written."""
    system: str | None = None
    """Format openai-chat: the system message of every example."""
    validation_fraction: Fraction = 0.1
    """Share of the texts kept for validation; equal texts are always on the same side."""
    max_tokens: Count = 65_536
    """Examples with more tokens (estimated as bytes / 3) are left out and counted."""
    soft_copies: Annotated[int, Between(2, 100)] | None = None
    """4: each training row is written four times, with its possible labels in proportion to how
    probable they are, for trainers that take one label per example."""
    price_per_million_tokens: Annotated[float, AtLeast(0)] | None = None
    """USD to train on a million tokens once; with it, the summary says what an epoch costs."""


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """What `lakewinnow finetune` trains, where, and at what cost; `run` never does this."""

    provider: Literal["local", "openai"] = "local"
    """local (a transformer on this machine; extra sentence-transformers) | openai, or a compatible
    server; the key is read from OPENAI_API_KEY."""
    model: str | None = None
    """local: a folder, or a name on the Hugging Face hub; null: embedding.model, or
    all-MiniLM-L6-v2. openai: the model to train further, required."""
    variants: (
        tuple[
            Literal[
                "baseline", "control", "dropped", "fixed", "soft", "reviewed", "clean", "ceiling"
            ],
            ...,
        ]
        | None
    ) = None
    """What to train on. null: local all of them, openai [baseline, dropped, fixed]."""
    epochs: Count = 3
    """Passes over the training rows."""
    seeds: Count | None = None
    """How many models each variant gets. null: local 3, openai 1."""
    max_train_rows: Annotated[int, AtLeast(100)] = 20_000
    """If there are more rows, a stratified sample of this size is trained on."""
    layers: Literal["all"] | Count | None = None
    """local: how many layers to train, from the top, or all. null: 3 on a CPU, all on a GPU."""
    learning_rate: Annotated[float, Between(0, 1)] = 5e-5
    """local: step size of the optimiser."""
    batch_size: Count = 16
    """local: examples in a step."""
    base_url: str | None = None
    """openai: address of a compatible server. null: OpenAI's."""
    suffix: str = "lakewinnow"
    """openai: part of the name of the trained models."""
    max_cost_usd: Annotated[float, AtLeast(0)] | None = None
    """openai, required: a run that would cost more stops before it spends anything."""
    price_per_million_tokens: Annotated[float, AtLeast(0)] | None = None
    """Price of training in USD. null: OpenAI's list price, where the model has one."""
    price_per_million_asked: Annotated[float, AtLeast(0)] | None = None
    """Price of prompts to a trained model and of its answers, in USD. null: OpenAI's."""
    poll_s: Annotated[float, AtLeast(0.01)] = 30.0
    """openai: seconds between checks on a job."""
    concurrency: Count = 4
    """openai: requests at once."""
    timeout_s: Annotated[float, AtLeast(0.1)] = 60.0
    """openai: seconds to wait for an answer."""
    max_retries: Annotated[int, AtLeast(0)] = 6
    """openai: how often a request is sent again after a failure that may be temporary."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a run depends on."""

    input: InputConfig
    workspace: WrittenPath
    """Required: all tables and records of a run, at any path the engine can write."""
    engine: EngineName = "auto"
    """If there is no session yet: sail (no Java) | spark (local, needs Java) | auto (sail where it
    can run and the input is not too large for it, else spark)."""
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    crossval: CrossvalConfig = field(default_factory=CrossvalConfig)
    label_issues: LabelIssuesConfig = field(default_factory=LabelIssuesConfig)
    opinions: OpinionsConfig = field(default_factory=OpinionsConfig)
    ask: AskConfig = field(default_factory=AskConfig)
    checks: ChecksConfig = field(default_factory=ChecksConfig)
    clean: CleanConfig = field(default_factory=CleanConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)

    @property
    def has_vectors(self) -> bool:
        """Whether each row has a vector: of its text, or the input's own."""
        return self.input.pred_probs is None

    @property
    def opinion_kinds(self) -> tuple[str, ...]:
        """What says labels beside the given ones; each has a table, `OPINION_TABLES`."""
        has = {
            ANNOTATION: self.input.annotations.path is not None,
            FUNCTION: bool(self.opinions.functions),
            LLM: self.opinions.llm.model is not None,
        }
        return tuple(kind for kind, is_on in has.items() if is_on)

    @property
    def may_label(self) -> bool:
        """Whether rows without a label may get one."""
        return self.input.unlabelled == "label" and self.clean.is_fix_promised


@cache
def config_with(others: tuple[Check[Any], ...]) -> type[Config]:
    """Return the class of a configuration that may turn on checks of others, too."""
    if not others:
        return Config

    def extended(cls: type, keys: Iterator[Key], **namespace: Any) -> Any:
        named = {"__doc__": cls.__doc__, **namespace}
        name, bases = cls.__name__, (cls,)
        return make_dataclass(name, keys, bases=bases, namespace=named, frozen=True, kw_only=True)

    sections = (key for check in others for key in section_key(check))
    checks = extended(ChecksConfig, sections, known=(*own_checks(), *others))
    clean = extended(CleanConfig, (key for check in others for key in clean_keys(check)))
    keys = (
        (name, section, field(default_factory=section))
        for name, section in (("checks", checks), ("clean", clean))
    )
    found: type[Config] = extended(Config, keys)
    return found

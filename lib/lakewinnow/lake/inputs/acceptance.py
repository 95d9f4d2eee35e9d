"""Which rows of a source can be worked with, and why not the others.

One pass counts accepted rows by label and rejected ones by error code; what it learns (the classes,
say, or that there is only one) decides whether the run can go on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig
from lakewinnow.core.text import label_form, normal_form
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.inputs import content
from lakewinnow.lake.inputs.source import Source, column, text_of
from lakewinnow.plan.words import counted
from lakewinnow.spark.passes import valid_probs

MALFORMED_LINE: Final = "malformed_line"  # in quarantine/: a code, and the column of its raw text
LABEL_NULL: Final = "label_null"  # of a row that may get one yet: see `is_unlabelled`
CODE: Final = "__lw_code"  # beside columns that may have any name
_REPLACEMENT: Final = "\ufffd"
MAX_CLASSES: Final = 10_000  # beyond this a label column is an id or a text by mistake

SENTENCES: Final[Mapping[str, str]] = {
    MALFORMED_LINE: "the line does not parse; its raw text is in malformed_line",
    "corrupt_file": "the file cannot be read to its end; its name is in malformed_line",
    "text_null": "the text is null",
    "text_blank": "the text has no visible character",
    "text_not_utf8": "the text is not valid UTF-8",
    "text_too_long": "the text is longer than input.max_text_length",
    LABEL_NULL: "the label is null or blank",
    "label_not_utf8": "the label is not valid UTF-8",
    "id_not_utf8": "the id is not valid UTF-8",
    valid_probs.UNKNOWN_LABEL: "the label is not one of input.classes",
    **valid_probs.SENTENCES,
    **content.SENTENCES,
}


@dataclass(frozen=True)
class Acceptance:
    """What became of the rows."""

    rows: DataFrame  # the source's rows and `CODE`, why a row is rejected or null
    classes: list[str]  # the class list, in the order of the labels 0 .. K-1
    # rows by label, rows by error code
    accepted: Counter[str]
    rejected: Counter[str]
    # accepted rows whose text or label holds U+FFFD, which readers of CSV and JSON put in the place
    # of bytes that are not UTF-8
    n_replaced: int

    @property
    def n_accepted(self) -> int:
        """Rows that can be worked with."""
        return self.accepted.total()

    @property
    def n_rejected(self) -> int:
        """Rows for quarantine."""
        return self.rejected.total()


def accept(source: Source, config: InputConfig) -> Acceptance:
    """Judge every row.

    Raises
    ------
    DataError : no row can be used, one class only, too many classes, probabilities that do not fit
        the classes, or too many bad ones, or bad embeddings
    """
    rows = source.df.withColumn(CODE, _error_code(source, config))
    accepted, rejected, lengths, n_replaced = _count(rows, source, config)
    if config.embedding is not None:
        if len(lengths) > 1:
            usual = max(lengths, key=lambda length: (lengths[length], length))
            wrong = F.size(content.vector(config, source.schema)) != usual
            rows = _reject(rows, wrong, content.WRONG_LENGTH)
            accepted, rejected, _, n_replaced = _count(rows, source, config)
        _check_bad(accepted, rejected, content.SENTENCES, "embedding", config.max_bad_fraction)
    classes = _classes(accepted, rejected, source, config)
    if config.pred_probs is None:
        return Acceptance(rows, classes, accepted, rejected, n_replaced)
    if len(classes) not in lengths:
        raise DataError(
            "classes_do_not_fit",
            "input.classes",
            f"a name for each of the {lengths.most_common(1)[0][0]} probabilities, in their order",
            Shown(f"{len(classes)} classes"),
            "list all classes in input.classes, those without a row too",
        )
    wrong = F.size(_probs(source, config)) != len(classes)
    rows = _reject(rows, wrong, valid_probs.WRONG_LENGTH)
    if len(lengths) > 1:
        accepted, rejected, _, n_replaced = _count(rows, source, config)
    _check_bad(accepted, rejected, valid_probs.SENTENCES, "pred_probs", config.max_bad_fraction)
    return Acceptance(rows, classes, accepted, rejected, n_replaced)


def _reject(rows: DataFrame, is_bad: Column, code: str) -> DataFrame:
    return rows.withColumn(CODE, F.coalesce(F.col(CODE), F.when(is_bad, code)))


def _probs(source: Source, config: InputConfig) -> Column:
    name = config.pred_probs or ""
    return valid_probs.as_array(column(name), source.schema[name].dataType)


def _error_code(source: Source, config: InputConfig) -> Column:
    """Return the first reason why a row cannot be used; null when it can."""
    label = text_of(config.label, source.schema)
    code = F.when(source.malformed.isNotNull(), source.malformed_code)
    if config.text is not None:
        text = column(config.text)
        code = (
            code.when(text.isNull(), "text_null")
            .when(~F.is_valid_utf8(text), "text_not_utf8")
            .when(_is_blank(text), "text_blank")
            .when(F.length(text) > config.max_text_length, "text_too_long")
        )
    code = code.when(label.isNull(), LABEL_NULL)  # first: of a null Sail says that it is not valid
    code = code.when(~F.is_valid_utf8(label), "label_not_utf8")
    code = code.when(_is_blank(label), LABEL_NULL)
    if config.id is not None:
        id_ = text_of(config.id)
        code = code.when(id_.isNotNull() & ~F.is_valid_utf8(id_), "id_not_utf8")
    if config.classes is not None:
        code = code.when(~label.isin(*config.classes), valid_probs.UNKNOWN_LABEL)
    if config.pred_probs is not None:
        code = F.coalesce(code, valid_probs.error_code(_probs(source, config)))
    if config.embedding is not None or config.features is not None:
        code = F.coalesce(code, content.error_code(config, source.schema))
    return code


def is_unlabelled(config: InputConfig) -> Column:
    """Whether a row is rejected for want of a label, and for nothing else."""
    is_null = F.col(CODE) == LABEL_NULL
    if config.id is None:
        return is_null
    id_ = text_of(config.id)
    return is_null & (id_.isNull() | F.is_valid_utf8(id_))


def _is_blank(text: Column) -> Column:
    return ~text.rlike(r"[^\s\p{Z}\p{C}]")  # nothing but white space, controls, zero-width marks


def _count(
    rows: DataFrame, source: Source, config: InputConfig
) -> tuple[Counter[str], Counter[str], Counter[int], int]:
    """Count accepted rows by label and length of their list, rejects by code, `n_replaced`."""
    is_accepted = F.col(CODE).isNull()
    label = F.when(is_accepted, text_of(config.label, source.schema))
    length = F.when(is_accepted, _length(source, config))
    strings = [text_of(name, source.schema) for name in (config.text, config.label) if name]
    counted = rows.groupBy(label.alias(c.GIVEN_LABEL), CODE, length.alias("length")).agg(
        F.count("*"), F.count_if(F.concat(*strings).contains(_REPLACEMENT))
    )
    limit = MAX_CLASSES + len(SENTENCES) + 1
    accepted: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    lengths: Counter[int] = Counter()
    n_replaced = 0
    # As Arrow: what is limited Spark collects in a job for each few partitions
    columns = counted.limit(limit).toArrow().columns
    for given_label, code, n_numbers, n, n_with_replacement in zip(
        *(values.to_pylist() for values in columns), strict=True
    ):
        if code is None:
            accepted[given_label] += n
            lengths[n_numbers] += n
            n_replaced += n_with_replacement
        else:
            rejected[code] += n
    return accepted, rejected, lengths, n_replaced


def _length(source: Source, config: InputConfig) -> Column:
    if config.pred_probs is not None:
        return F.size(_probs(source, config))
    if config.embedding is not None:
        return F.size(content.vector(config, source.schema))
    return F.lit(0)


def _classes(
    accepted: Counter[str], rejected: Counter[str], source: Source, config: InputConfig
) -> list[str]:
    if not accepted:
        reasons = ", ".join(f"{n:,} {code}" for code, n in sorted(rejected.items()))
        what, name = _content(config)
        expected = f"rows with a label and {what}"
        hint = f"are input.{what}={name} and input.label={config.label} the right columns?"
        raise DataError("no_usable_rows", "input", expected, Shown(reasons or "no rows"), hint)
    if len(accepted) > MAX_CLASSES:
        expected = f"at most {MAX_CLASSES:,} distinct labels"
        got, hint = (
            Shown(f"more in column {config.label}"),
            "is this an id or free text by mistake?",
        )
        raise DataError("too_many_classes", "input.label", expected, got, hint)
    told_apart = config.pred_probs is not None and config.classes is not None
    if len(accepted) == 1 and not told_apart:  # by the user's own probabilities: a small batch, say
        only = next(iter(accepted))
        got = Shown(f"only {only!r}, {accepted[only]:,} times")
        hint = "label errors can only be found between classes"
        raise DataError("one_class", "input.label", "two or more classes", got, hint)
    if config.classes is not None:
        return list(config.classes)
    is_number = isinstance(source.schema[config.label].dataType, NumericType)
    return sorted(accepted, key=Decimal) if is_number else sorted(accepted)


def _content(config: InputConfig) -> tuple[str, str]:
    """Return the key of the configuration that says what a row is judged by, and its value."""
    if config.features is not None:
        return "features", ", ".join(config.features)
    if config.text is not None:
        return "text", config.text
    name = config.embedding
    return ("embedding", name) if name is not None else ("pred_probs", config.pred_probs or "")


def _check_bad(
    accepted: Counter[str], rejected: Counter[str], codes: Iterable[str], key: str, most: float
) -> None:
    n_bad = sum(rejected[code] for code in codes)
    n_rows = accepted.total() + n_bad
    if n_bad > most * n_rows:
        expected = f"at most {most:.0%} of the rows with {key} that cannot be used"
        got, hint = Shown(f"{n_bad:,} of {n_rows:,}"), "fix them, or raise input.max_bad_fraction"
        raise DataError("too_many_bad_rows", f"input.{key}", expected, got, hint)


def warnings(found: Acceptance, source: Source, folds: int, n_unlabelled: int = 0) -> Iterator[str]:
    """Yield what a user should know of columns, classes and rejects although the run goes on.

    Parameters
    ----------
    n_unlabelled : rejects that may get a label yet
    """
    if source.changes:
        yield (
            "some columns are read as other types, as no engine has theirs:"
            f" {', '.join(source.changes)}"
        )
    accepted, classes = found.accepted, found.classes
    rare = [name for name in classes if 0 < accepted[name] < folds]
    if rare:
        few = counted(len(rare), "class", "has", of=len(classes))
        yield (
            f"{few} fewer rows than the {folds} folds ({_listed(rare)})."
            " Their probabilities are rough; one-row classes are never flagged"
        )
    absent = [name for name in classes if not accepted[name]]
    if absent:
        yield f"input.classes: {counted(len(absent), 'class', 'has')} no row ({_listed(absent)})"
    alike = Counter(map(label_form, accepted))
    twins = [name for name in sorted(accepted) if alike[label_form(name)] > 1]
    twins.sort(key=label_form)
    if twins:
        yield (
            "some classes differ only in case, blanks or Unicode form:"
            f" {_listed(list(map(_quoted, twins)), 10)}. input.normalize_labels joins them"
        )
    if found.n_replaced:
        hold = counted(found.n_replaced, "row", "holds")
        yield (
            f"{hold} U+FFFD, the mark of bytes that are not UTF-8:"
            " is the file in another encoding? input.options: {encoding: …} names it"
        )
    n_rows, n_rejected = found.n_accepted + found.n_rejected, found.n_rejected - n_unlabelled
    if n_rejected * 10 > n_rows:
        yield f"{counted(n_rejected, 'row', 'is', of=n_rows)} in quarantine"


def _quoted(name: str) -> str:
    return repr(name) if normal_form(name) == name else ascii(name)


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

"""Values of a configuration against each other: each is right by itself."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from lakewinnow.config.formats import format_of, is_point_in_time
from lakewinnow.config.sections import (
    FINETUNE,
    LOGISTIC,
    OWN_PARAMS,
    AnnotationsConfig,
    CleanConfig,
    Config,
    EvaluateConfig,
    InputConfig,
    LabelIssuesConfig,
    LogisticParams,
)
from lakewinnow.config.types import FileFormat, LabellingTool, Names
from lakewinnow.config.values import check_types
from lakewinnow.errors import ConfigError, Shown, did_you_mean, unknown_classes
from lakewinnow.typed_json import key_of

_NO_CLASSIFIER: Final = "with your own probabilities there is no classifier to compare"
_SCALED_ALONE: Final = "features are imputed and scaled from the input's rows only"
_TEXTS_ALONE: Final = "only texts without a label can be given one: leave out one of the two"
_CHECKED_ROWS: Final = (
    "run without it, have people check what `lakewinnow review draw` draws, and name their file in"
    " clean.decisions; or name a column of checked labels in clean.checked_label. Trusted rows of"
    " evaluate.* cannot stand in: they have no other label that could be wrong"
)
_NULL_BESIDE: Final[Mapping[tuple[str, str], str]] = {
    ("input.features", "input.embedding"): "a row has one vector: leave out one of the two",
    ("input.features", "input.text"): "features replace the text: leave out one of the two",
    (
        "input.features",
        "input.pred_probs",
    ): "probabilities replace the features: leave out one of the two",
    (
        "input.embedding",
        "input.pred_probs",
    ): "probabilities replace the embedding: leave out one of the two",
    ("input.pred_probs", "evaluate.holdout"): _NO_CLASSIFIER,
    ("input.pred_probs", "evaluate.trusted"): _NO_CLASSIFIER,
    ("input.features", "evaluate.holdout"): _SCALED_ALONE,
    ("input.features", "evaluate.trusted"): _SCALED_ALONE,
    (
        "evaluate.holdout",
        "evaluate.trusted",
    ): "both say which rows are trusted: leave out one of the two",
}


def check_combinations(config: Config) -> Iterator[ConfigError]:
    """Yield what is wrong although each value is right by itself."""
    yield from _check_input(config.input)
    yield from _check_unlabelled(config.input)
    for (key, other), hint in _NULL_BESIDE.items():
        beside, got = attrgetter(key)(config), attrgetter(other)(config)
        if beside is not None and got is not None:
            code = "conflicting_inputs" if key.startswith("input.") else "conflicting_keys"
            yield ConfigError(code, other, f"null when {key} is set", got, hint)
    yield from _check_candidates(config)
    yield from _check_opinions(config)
    if config.input.text is not None and config.input.text in config.output.partition_by:
        yield ConfigError(
            "partition_by_text", "output.partition_by", "columns with few values", config.input.text
        )
    if config.clean.fix_above is not None and config.clean.label_issues != "fix":
        expected = "null unless clean.label_issues is fix"
        yield ConfigError("unused_key", "clean.fix_above", expected, config.clean.fix_above)
    yield from _check_promises(config.clean)
    checked = config.clean.checked_label
    if checked is not None and checked in (config.input.label, config.input.text):
        expected = "a different column from input.label and input.text"
        yield ConfigError("same_column", "clean.checked_label", expected, checked)
    yield from _check_checks(config)
    if config.label_issues.method == "posterior":
        yield from _check_posterior(config.label_issues)
    yield from _check_classifiers(config)
    if config.input.classes is not None:
        yield from _check_class_names(config, config.input.classes)
    yield from _check_trusted(config)


def _check_opinions(config: Config) -> Iterator[ConfigError]:
    """Yield what is wrong with what annotators say, and with what they are asked."""
    yield from _check_annotations(config.input.annotations)
    functions = config.opinions.functions
    if functions and config.input.text is None:
        expected, hint = "none, as rows have no text", "name their column in input.text"
        yield ConfigError("no_text", "opinions.functions", expected, list(functions), hint)
    if config.opinions.llm.model is not None and config.input.text is None:
        expected, hint = "null, as rows have no text", "name their column in input.text"
        got = config.opinions.llm.model
        yield ConfigError("no_text", "opinions.llm.model", expected, got, hint)
    if len({*functions}) < len(functions):
        expected = "functions, each once"
        yield ConfigError("repeated_function", "opinions.functions", expected, list(functions))
    if config.ask.format is not None and config.ask.rows is None:
        expected, hint = "null where ask.rows is null", "ask.rows says how many rows to ask about"
        yield ConfigError("unused_key", "ask.format", expected, config.ask.format, hint)


def _check_annotations(source: AnnotationsConfig) -> Iterator[ConfigError]:
    key, default = "input.annotations", AnnotationsConfig()
    if source.path is None and source != default:
        hint = "its other keys say how to read it"
        yield ConfigError("missing_key", f"{key}.path", "a file or folder", None, hint)
    unused: tuple[str, ...] = ()
    why = ""
    if source.format in get_args(LabellingTool):
        unused = ("annotator", "columns", "options")
        why = f"{key}.format: {source.format}, which says it itself"
    elif source.columns is not None:
        unused = ("annotator", "label")
        why = f"{key}.columns, which names a column per annotator"
    for name in unused:
        got, nothing = getattr(source, name), getattr(default, name)
        if got != nothing:
            yield ConfigError("unused_key", f"{key}.{name}", f"{nothing} with {why}", got)
    if source.columns is None:
        if len({source.row, source.annotator, source.label}) < 3:
            got = Shown(f"{source.row}, {source.annotator}, {source.label}")
            yield ConfigError("same_column", key, "three columns: row, annotator and label", got)
    elif not source.columns or len({*source.columns, source.row}) <= len(source.columns):
        expected = f"one or more columns, each once, without {source.row}"
        yield ConfigError("repeated_column", f"{key}.columns", expected, list(source.columns))


def _check_promises(clean: CleanConfig) -> Iterator[ConfigError]:
    """Yield what stands in the way of a promise: other rules, and that nobody checked a row."""
    for key, action in (("fix_at_most_wrong", "fix"), ("drop_at_most_good", "drop")):
        where, most = f"clean.{key}", getattr(clean, key)
        if most is None:
            continue
        if clean.label_issues != action:
            expected = f"null unless clean.label_issues is {action}"
            hint = f"set clean.label_issues: {action}, or leave {where} out"
            yield ConfigError("unused_key", where, expected, most, hint)
        if clean.fix_above is not None:
            expected = "null with clean.fix_above, which says itself which rows are fixed"
            yield ConfigError("conflicting_keys", where, expected, most)
        if clean.require_improvement:
            expected = "null with clean.require_improvement, which fixes all issues or none"
            yield ConfigError("unused_key", where, expected, most)
        if clean.decisions is None and clean.checked_label is None:
            expected = "null without checked rows: nothing is promised where people checked none"
            yield ConfigError("no_checked_rows", where, expected, most, _CHECKED_ROWS)
    if clean.promise_key and clean.else_ == clean.label_issues:
        expected = "review or keep with clean.drop_at_most_good"
        yield ConfigError("conflicting_keys", "clean.else", expected, clean.else_)
    if clean.decisions_at_random and clean.decisions is None:
        where, expected = "clean.decisions_at_random", "false when clean.decisions is null"
        yield ConfigError("unused_key", where, expected, got=True)


def _check_class_names(config: Config, classes: Sequence[str]) -> Iterator[ConfigError]:
    """Yield the keys of mappings that name no class: where classes are given, it is known now."""
    several = config.crossval.classifiers
    by_class = {
        f"crossval.{f'classifiers[{i}].' if several else ''}params.class_weight": of.params.get(
            "class_weight"
        )
        for i, of in enumerate(config.crossval.members)
    } | {
        "evaluate.params.class_weight": config.evaluate.params.get("class_weight"),
        "label_issues.num_to_remove_per_class": config.label_issues.num_to_remove_per_class,
    }
    for where, names in by_class.items():
        if isinstance(names, Mapping):
            yield from unknown_classes(where, names, classes)


def _check_classifiers(config: Config) -> Iterator[ConfigError]:
    """Yield what is wrong with the classifiers, or with one among several."""
    crossval, problems = config.crossval, list[ConfigError]()
    for i, member in enumerate(crossval.members):
        where = f"crossval.classifiers[{i}]" if crossval.classifiers else "crossval"
        own = OWN_PARAMS.get(member.classifier)
        if own is not None:
            check_types(own, member.params, f"{where}.params", problems)
        elif "." not in member.classifier:
            expected = f"{LOGISTIC}, {FINETUNE}, or the import path of a classifier"
            near = did_you_mean(member.classifier, [LOGISTIC, FINETUNE])
            key = f"{where}.classifier"
            yield ConfigError("unknown_classifier", key, expected, member.classifier, near)
        if member.classifier == FINETUNE and config.has_vectors and config.input.text is None:
            hint = "the classifier finetune learns from texts: name their column here"
            yield ConfigError("missing_key", "input.text", "a column", None, hint)
        if member in crossval.members[:i]:
            expected = "another classifier, or other parameters"
            yield ConfigError("repeated_classifier", where, expected, member.classifier)
    if crossval.on_vectors.classifier == LOGISTIC:
        check_types(LogisticParams, config.evaluate.params, "evaluate.params", problems)
    if crossval.combine != "auto" and not crossval.classifiers:
        expected = "auto, unless crossval.classifiers lists several"
        yield ConfigError("unused_key", "crossval.combine", expected, crossval.combine)
    if len(crossval.classifiers) == 1:
        where, hint = "crossval.classifiers", "one alone is what crossval.classifier names"
        yield ConfigError("too_few_classifiers", where, "none, or two or more", Shown("1"), hint)
    yield from problems


def _check_candidates(config: Config) -> Iterator[ConfigError]:
    """Yield what is wrong with the sections that `embedding.candidates` lists."""
    has_own = config.input.has_own_vectors or config.input.pred_probs is not None
    if config.embedding.candidates and has_own:
        n = len(config.embedding.candidates)
        hint = "the input has its own vectors or probabilities, so no text is embedded"
        where = "embedding.candidates"
        yield ConfigError("conflicting_inputs", where, "none", Shown(f"{n}"), hint)


def _check_checks(config: Config) -> Iterator[ConfigError]:
    """Yield what checks cannot do with the input, and what each says by itself."""
    for check in config.checks.known:
        is_on = config.checks.section(check) is not None
        if check.judges_text and is_on and config.input.text is None:
            expected, hint = "null, as rows have no text", "name their column in input.text"
            yield ConfigError("no_text", check.key, expected, Shown("{…}"), hint)
        if check.judges_vectors and is_on and not config.has_vectors:
            hint = "with input.pred_probs no text is embedded, so no row has neighbours"
            yield ConfigError("conflicting_inputs", check.key, "null", Shown("{…}"), hint)
        if not is_on and check.actions and config.clean.action(check) in check.rewriting:
            where, expected = f"clean.{check.name}", f"keep when {check.key} is null"
            hint = f"checks: {{{check.name}: {{}}}} turns the check on"
            yield ConfigError("unused_key", where, expected, config.clean.action(check), hint)
        yield from check.problems(config)


def _check_trusted(config: Config) -> Iterator[ConfigError]:
    """Yield what stands in the way of training models to compare on trusted rows, and choosing."""
    evaluate, clean = config.evaluate, config.clean
    if evaluate.trusted is None and evaluate.trusted_fraction != EvaluateConfig.trusted_fraction:
        where, expected = "evaluate.trusted_fraction", "1.0 when evaluate.trusted is null"
        yield ConfigError("unused_key", where, expected, evaluate.trusted_fraction)
    if clean.require_improvement and not evaluate.has_holdout:
        hint = "name a file of them in evaluate.holdout, or a column in evaluate.trusted"
        where = "clean.require_improvement"
        yield ConfigError(
            "no_holdout", where, "false when there are no trusted rows", got=True, hint=hint
        )
    if clean.require_improvement and clean.label_issues == "keep":
        where, expected = "clean.require_improvement", "false when clean.label_issues is keep"
        yield ConfigError("unused_key", where, expected, got=True)
    if clean.require_improvement and clean.fix_above is not None:
        expected = "null with clean.require_improvement, which fixes all issues or none"
        yield ConfigError("unused_key", "clean.fix_above", expected, clean.fix_above)


def _check_input(source: InputConfig) -> Iterator[ConfigError]:
    if (source.path is None) == (source.table is None):
        got = Shown("both" if source.path else "neither")
        yield ConfigError("path_or_table", "input", "either path or table", got)
    if source.format is None and source.path is not None and not _may_show_format(source.path):
        hint = "the path's ending does not show the format"
        expected = " | ".join(get_args(FileFormat))
        yield ConfigError("missing_key", "input.format", expected, None, hint)
    if source.path is not None and source.format == "table":
        hint = "or name the table in input.table"
        yield ConfigError("path_or_table", "input.format", "a file format", "table", hint)
    yield from _check_version(source)
    others = {"text": (source.text,), "features": source.features or ()}
    for key, names in others.items():
        if source.label in names:
            expected = f"a different column from input.{key}"
            yield ConfigError("same_column", "input.label", expected, source.label)
    features = source.features
    if features is not None and len(set(features)) < max(1, len(features)):
        expected = "one or more columns, each once"
        yield ConfigError("no_features", "input.features", expected, list(features))
    if source.classes is not None and len(set(source.classes)) != len(source.classes):
        got = Shown(", ".join(source.classes))
        yield ConfigError("repeated_class", "input.classes", "distinct names", got)
    if source.classes is not None and len(source.classes) < 2:
        yield ConfigError("too_few_classes", "input.classes", "two or more", list(source.classes))


def _check_unlabelled(source: InputConfig) -> Iterator[ConfigError]:
    """Yield what rows without a label cannot be labelled by: models of this run see texts alone."""
    for key in ("pred_probs", "embedding", "features"):
        if source.unlabelled == "label" and getattr(source, key) is not None:
            where, expected = "input.unlabelled", f"quarantine when input.{key} is set"
            yield ConfigError("conflicting_inputs", where, expected, "label", _TEXTS_ALONE)


def _may_show_format(path: str) -> bool:
    """Whether the path's ending names the format, or files of a folder may."""
    return format_of(path) is not None or ":/" in path or Path(path).expanduser().is_dir()


def _check_version(source: InputConfig) -> Iterator[ConfigError]:
    """Yield what is wrong with the version of the table that is asked for."""
    version = source.version
    if version is None:
        return
    if source.format not in ("delta", "iceberg"):
        hint = "tables of other formats have no versions"
        expected = "null unless input.format is delta or iceberg"
        yield ConfigError("unused_key", "input.version", expected, version, hint)
    elif isinstance(version, str) and not is_point_in_time(version):
        expected = "a version number, a snapshot id or a time such as 2026-01-31T12:00:00"
        yield ConfigError("bad_version", "input.version", expected, version)


def _check_posterior(config: LabelIssuesConfig) -> Iterator[ConfigError]:
    """Yield what confident learning alone has a use for."""
    default = LabelIssuesConfig(method="posterior")
    for f in fields(config):
        got, unused = getattr(config, f.name), getattr(default, f.name)
        if got != unused:
            where, expected = f"label_issues.{f.name}", f"{unused} with method posterior"
            hint = "method posterior has its own rule for flags and its own score"
            yield ConfigError("unused_key", where, expected, got, hint)


def check_content(raw: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Yield an error where nothing says what a row is judged by."""
    source = raw.get("input")
    keys = ("text", "embedding", "features", "pred_probs")
    if not isinstance(source, Mapping) or all(source.get(key) is None for key in keys):
        hint = (
            "name a text column here, or vectors in input.embedding, or input.features, or your own"
            " probabilities in input.pred_probs"
        )
        yield ConfigError("missing_key", "input.text", "a value", None, hint)


def with_default_checks(config: Config, named: Collection[str]) -> Config:
    """Fit the checks that nobody asked for to rows without text; `named` are those asked for."""
    if config.input.text is not None:
        return config
    fitted: dict[str, Any] = {
        check.name: None if check.without_text is None else check.without_text(config)
        for check in config.checks.known
        if check.name not in named and (check.judges_text or check.without_text is not None)
    }
    return replace(config, checks=replace(config.checks, **fitted))


def with_default_params(config: Config) -> Config:
    """Fill in what `crossval.params` leaves out, so that naming C alone does not lose the rest."""
    return replace(config, crossval=config.crossval.with_params())


def named(what: Names, section: object, inside: str = "") -> Iterator[tuple[str, str]]:
    """Give the columns, say, that keys name, with these keys."""
    hints = get_type_hints(type(section), include_extras=True)
    of: Any = section
    for f in fields(of):
        key, value = inside + key_of(f), getattr(section, f.name)
        if is_dataclass(value):
            yield from named(what, value, f"{key}.")
        elif value is not None and _holds(hints[f.name], what):
            yield from ((key, name) for name in ((value,) if isinstance(value, str) else value))


def _holds(hint: Any, what: Names) -> bool:
    return any(of == what or _holds(of, what) for of in get_args(hint))

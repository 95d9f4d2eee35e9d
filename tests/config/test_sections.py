"""Reading and checking configurations: files, single values, values together, defaults."""

from dataclasses import FrozenInstanceError, replace
from operator import attrgetter

import pytest
import yaml

from builders import ROOT
from lakewinnow.config.combinations import named
from lakewinnow.config.file import dump, load_config, parse_config, to_dict
from lakewinnow.config.sections import Config, InputConfig
from lakewinnow.config.types import COLUMN
from lakewinnow.errors import ConfigError
from lakewinnow.lake.inputs.formats import input_format

MINIMAL = {"input": {"path": "x.csv", "text": "t", "label": "l"}, "workspace": "out"}
LISTED, REQUIRED = "embedding.candidates", "clean.require_improvement"
WEIGHT = "crossval.params.class_weight"
TRUSTED = {**MINIMAL, "evaluate": {"trusted": "sure"}}
DEFAULT = Config(input=InputConfig(path="x.csv", text="t", label="l"), workspace="out")


def with_annotations(**keys):
    """Return the minimal configuration with a table of annotations."""
    return with_key("input.annotations", {"path": "said.csv", **keys})


def with_key(key, value):
    """Return the minimal configuration as plain values, one key of it changed."""
    raw = {"input": dict(MINIMAL["input"]), "workspace": "out"}
    section, _, name = key.rpartition(".")
    inside = raw
    for part in section.split(".") if section else ():
        inside = inside.setdefault(part, {})
    inside[name] = value
    return raw


def without_text(**keys):
    """Return the minimal configuration with other keys in place of the text."""
    return {"input": {"path": "x.csv", "label": "l", **keys}, "workspace": "out"}


def with_classes(**sections):
    """Return a configuration of two classes, which are given."""
    return {**MINIMAL, "input": {**MINIMAL["input"], "classes": ["a", "b"]}, **sections}


def with_clean(**keys):
    """Return the minimal configuration with other keys of clean, beside fix."""
    return {**MINIMAL, "clean": {"label_issues": "fix", **keys}}


def with_own_probs(**checks):
    """Return a configuration of rows that bring their probabilities, with some checks."""
    return {**without_text(text="t", pred_probs="p"), "checks": checks}


def value_at(config, key):
    return attrgetter(key)(config)


def problems_of(raw):
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    return [(problem.code, problem.where) for problem in caught.value.problems]


@pytest.fixture
def write(tmp_path):
    def written(text, name="a.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return written


def loading_fails(*paths, overrides=()):
    with pytest.raises(ConfigError) as caught:
        load_config(*paths, overrides=overrides)
    return caught.value


# --- defaults -----------------------------------------------------------------------------------


def test_a_minimal_configuration_has_every_default():
    assert parse_config(MINIMAL) == DEFAULT


def test_base_yaml_states_every_key_with_its_default():
    raw = yaml.safe_load((ROOT / "conf" / "base.yaml").read_text(encoding="utf-8"))
    assert list(raw) == list(to_dict(DEFAULT))
    raw["input"] |= MINIMAL["input"]
    raw["workspace"] = "out"
    for name, section in to_dict(DEFAULT).items():
        assert raw[name] == section, name


@pytest.mark.parametrize("name", ["quickstart", "politeness"])
def test_a_bundled_configuration_is_complete(name):
    load_config(ROOT / "conf" / f"{name}.yaml")


@pytest.mark.parametrize("name", ["seed", "cluster"])
def test_a_bundled_overlay_goes_over_another(name):
    load_config(ROOT / "conf" / "politeness.yaml", ROOT / "conf" / f"{name}.yaml")


def test_a_configuration_is_frozen():
    with pytest.raises(FrozenInstanceError):
        DEFAULT.workspace = "elsewhere"


def test_an_empty_section_is_a_default_section():
    assert parse_config({**MINIMAL, "crossval": None}) == DEFAULT


def test_dump_reads_back_as_the_same_configuration():
    config = parse_config(
        MINIMAL
        | {"clean": {"label_issues": "fix", "fix_above": 0.8, "else": "drop"}}
        | {"output": {"partition_by": ["l"]}, "checks": {"exact_duplicates": None}}
        | {"embedding": {"candidates": [{}, {"layers": [2, 3], "openai": {"timeout_s": 1}}]}}
    )
    assert config.clean.else_ == "drop"
    assert parse_config(yaml.safe_load(dump(config))) == config


# --- one value ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("crossval.folds", "ten", "wrong_type"),
        ("crossval.folds", True, "wrong_type"),  # which Python takes for 1
        ("crossval.folds", 2.5, "wrong_type"),
        ("crossval.folds", None, "wrong_type"),
        ("crossval.folds", 1, "out_of_range"),
        ("crossval.folds", 1001, "out_of_range"),
        ("crossval.rows_per_shard", 0, "out_of_range"),
        ("crossval", 5, "not_a_mapping"),
        ("clean.max_drop_fraction", 1.5, "out_of_range"),
        ("clean.max_drop_fraction", float("nan"), "out_of_range"),
        ("clean.max_drop_fraction", "half", "wrong_type"),
        ("clean.max_drop_fraction", "0.5", "wrong_type"),
        ("clean.label_issues", "delete", "wrong_type"),
        ("label_issues.adjust_pred_probs", "yes", "wrong_type"),
        ("label_issues.filter_by", True, "wrong_type"),
        ("label_issues.num_to_remove_per_class", [10, 0], "wrong_type"),
        ("label_issues.num_to_remove_per_class", {"a": 1.5}, "wrong_type"),
        ("label_issues.num_to_remove_per_class", {"a": -1}, "wrong_type"),
        ("label_issues.num_to_remove_per_class", {1: 1}, "wrong_type"),
        ("input.text", 5, "wrong_type"),
        ("input.classes", "a, b", "wrong_type"),
        ("input.classes", [True, False], "wrong_type"),
        ("input.classes", [0.5, 1], "wrong_type"),
        ("input.options", ["header"], "wrong_type"),
        ("output.partition_by", ["a", 1], "wrong_type"),
        ("embedding.dimensions", 0, "out_of_range"),
        ("checks.exact_duplicates", True, "not_a_mapping"),
        ("checks.text.presets", ["gopher"], "wrong_type"),
        ("checks.pii.kinds", ["email", "name"], "wrong_type"),
        ("clean.text", "redact", "wrong_type"),
        ("crossval.params.C", "one", "wrong_type"),
        ("crossval.params.C", 0, "out_of_range"),
        ("crossval.params.C", float("nan"), "out_of_range"),
        ("crossval.params.C", None, "wrong_type"),
        ("crossval.params.C", float("inf"), "out_of_range"),
        ("crossval.params.class_weight", "even", "wrong_type"),
        ("crossval.params.class_weight", {"a": -1}, "wrong_type"),
        ("crossval.params.class_weight", {"a": "heavy"}, "wrong_type"),
        ("crossval.mode", "both", "wrong_type"),
        ("crossval.params.max_iter", 0, "out_of_range"),
        ("crossval.params.max_iter", True, "wrong_type"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_key(key, value, code):
    assert problems_of(with_key(key, value)) == [(code, key)]


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("label_issues.frac_noise", 1, 1.0),
        ("label_issues.num_to_remove_per_class", {"a": 1}, {"a": 1}),
        ("crossval.rows_per_shard", 1e6, 1_000_000),
        ("crossval.standardize", False, False),
        ("crossval.mode", "auto", "auto"),
        ("checks.exact_duplicates", None, None),
        ("output.partition_by", ["l"], ("l",)),
        ("input.classes", ["b", "a"], ("b", "a")),
        ("input.classes", [1, 0, "-1"], ("1", "0", "-1")),
    ],
)
def test_a_right_value_is_kept_as_its_type(key, value, kept):
    got = value_at(parse_config(with_key(key, value)), key)
    assert (got, type(got)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("crossval.fold", "'folds'"),
        ("crosval", "'crossval'"),
        ("input.labels", "'label'"),
        ("clean.elsee", "'else'"),
        ("folds", "'crossval.folds'"),
        ("crossval.params.c", "'C'"),
    ],
)
def test_an_unknown_key_is_an_error_with_the_nearest_known_one(key, near):
    with pytest.raises(ConfigError) as caught:
        parse_config(with_key(key, 5))
    assert (caught.value.code, caught.value.where) == ("unknown_key", key)
    assert near in caught.value.hint


def test_a_misspelt_choice_is_told_the_nearest_one():
    with pytest.raises(ConfigError) as caught:
        parse_config(with_key("clean.label_issues", "reveiw"))
    assert "'review'" in caught.value.hint


def test_every_problem_is_found_at_once():
    raw = {"input": {"txt": "t"}, "crossval": {"folds": 0, "seed": "x"}, "workspce": "out"}
    assert set(problems_of(raw)) == {
        ("unknown_key", "input.txt"),
        ("missing_key", "input.text"),
        ("missing_key", "input.label"),
        ("out_of_range", "crossval.folds"),
        ("wrong_type", "crossval.seed"),
        ("unknown_key", "workspce"),
        ("missing_key", "workspace"),
    }


def test_a_table_may_be_called_one_by_its_format_too():
    raw = with_key("input.path", None)
    raw["input"] |= {"table": "a.b", "format": "table"}
    assert parse_config(raw).input.table == "a.b"


def test_naming_one_classifier_parameter_keeps_the_others():
    params = parse_config(with_key("crossval.params.C", 0.5)).crossval.params
    assert params == {**DEFAULT.crossval.params, "C": 0.5}


# --- values together ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code", "where"),
    [
        (with_key("input.table", "a.b"), "path_or_table", "input"),
        (with_key("input.path", None), "path_or_table", "input"),
        (with_key("input.format", "table"), "path_or_table", "input.format"),
        (with_key("evaluate.format", "table"), "wrong_type", "evaluate.format"),
        (with_key("input.path", "data/train"), "missing_key", "input.format"),
        (with_key("input.label", "t"), "same_column", "input.label"),
        (with_key("input.text", None), "missing_key", "input.text"),
        (with_key("input.features", ["a"]), "conflicting_inputs", "input.text"),
        (without_text(features=["l", "a"]), "same_column", "input.label"),
        (without_text(features=[]), "no_features", "input.features"),
        (without_text(features=["a", "b", "a", "b"]), "no_features", "input.features"),
        (without_text(features=["a"], embedding="v"), "conflicting_inputs", "input.embedding"),
        (without_text(features=["a"], pred_probs="p"), "conflicting_inputs", "input.pred_probs"),
        (without_text(embedding="v", pred_probs="p"), "conflicting_inputs", "input.pred_probs"),
        *(
            (without_text(unlabelled="label", **own), "conflicting_inputs", "input.unlabelled")
            for own in ({"pred_probs": "p"}, {"embedding": "v"}, {"features": ["a"]})
        ),
        (with_key("input.classes", ["a", "b", "a"]), "repeated_class", "input.classes"),
        (with_key("input.classes", ["a"]), "too_few_classes", "input.classes"),
        (with_classes(crossval={"params": {"class_weight": {"c": 2}}}), "unknown_class", WEIGHT),
        (
            with_classes(evaluate={"params": {"class_weight": {"A": 2, "b": 1}}}),
            "unknown_class",
            "evaluate.params.class_weight",
        ),
        (
            with_classes(label_issues={"num_to_remove_per_class": {"a": 1, "c": 2}}),
            "unknown_class",
            "label_issues.num_to_remove_per_class",
        ),
        (with_key("output.partition_by", ["t"]), "partition_by_text", "output.partition_by"),
        (with_key("input.annotations.row", "r"), "missing_key", "input.annotations.path"),
        (with_annotations(annotator="l", label="l"), "same_column", "input.annotations"),
        (with_annotations(columns=["a"], label="l"), "unused_key", "input.annotations.label"),
        (with_annotations(columns=["a", "a"]), "repeated_column", "input.annotations.columns"),
        (with_annotations(columns=["row_id"]), "repeated_column", "input.annotations.columns"),
        (
            with_annotations(format="label-studio", annotator="by"),
            "unused_key",
            "input.annotations.annotator",
        ),
        (
            with_annotations(format="label-studio", columns=["a"]),
            "unused_key",
            "input.annotations.columns",
        ),
        (with_key("ask", {"rows": None, "format": "label-studio"}), "unused_key", "ask.format"),
        (with_key("opinions.functions", ["a.b"] * 2), "repeated_function", "opinions.functions"),
        (
            {**without_text(embedding="v"), "opinions": {"functions": ["a.b"]}},
            "no_text",
            "opinions.functions",
        ),
        (with_key("clean.fix_above", 0.9), "unused_key", "clean.fix_above"),
        (with_clean(fix_at_most_wrong=0.1), "no_checked_rows", "clean.fix_at_most_wrong"),
        (
            {**TRUSTED, **with_clean(fix_at_most_wrong=0.1)},
            "no_checked_rows",
            "clean.fix_at_most_wrong",
        ),
        (
            with_clean(fix_at_most_wrong=0.1, decisions="d.csv", fix_above=0.9),
            "conflicting_keys",
            "clean.fix_at_most_wrong",
        ),
        (
            with_clean(drop_at_most_good=0.1, decisions="d.csv"),
            "unused_key",
            "clean.drop_at_most_good",
        ),
        (with_clean(checked_label="l"), "same_column", "clean.checked_label"),
        (with_clean(fix_at_most_wrong=0), "out_of_range", "clean.fix_at_most_wrong"),
        (
            with_key("clean.decisions_at_random", value=True),
            "unused_key",
            "clean.decisions_at_random",
        ),
        (
            with_clean(
                label_issues="drop", drop_at_most_good=0.1, decisions="d.csv", **{"else": "drop"}
            ),
            "conflicting_keys",
            "clean.else",
        ),
        (
            with_key("embedding.candidates", [{}, {"layers": 2}]),
            "wrong_type",
            f"{LISTED}[1].layers",
        ),
        (with_key("embedding.candidates", [{"layer": 2}]), "unknown_key", f"{LISTED}[0].layer"),
        (
            with_key("embedding.candidates", [{"candidates": []}]),
            "unknown_key",
            f"{LISTED}[0].candidates",
        ),
        (
            {**without_text(embedding="v"), "embedding": {"candidates": [{}]}},
            "conflicting_inputs",
            LISTED,
        ),
        ({**without_text(embedding="v"), "checks": {"text": {}}}, "no_text", "checks.text"),
        ({**without_text(embedding="v"), "checks": {"pii": {}}}, "no_text", "checks.pii"),
        (with_key("checks.text", {"rules": [{}]}), "missing_key", "checks.text.rules[0].use"),
        (
            with_key("checks.text", {"rules": [{"use": "digits", "abov": 0.1}]}),
            "unknown_key",
            "checks.text.rules[0].abov",
        ),
        (with_key("clean.pii", "redact"), "unused_key", "clean.pii"),
        (with_key("clean.pii_tag", "<{kind}:1>"), "bad_tag", "clean.pii_tag"),
        (with_key("evaluate.trusted_fraction", 0.5), "unused_key", "evaluate.trusted_fraction"),
        (
            {**MINIMAL, "evaluate": {"holdout": "h.csv", "trusted": "sure"}},
            "conflicting_keys",
            "evaluate.trusted",
        ),
        (
            {**without_text(features=["a"]), "evaluate": {"trusted": "sure"}},
            "conflicting_inputs",
            "evaluate.trusted",
        ),
        (with_key("clean.require_improvement", value=True), "no_holdout", REQUIRED),
        (
            {**TRUSTED, "clean": {"require_improvement": True, "label_issues": "keep"}},
            "unused_key",
            REQUIRED,
        ),
        (
            {
                **TRUSTED,
                "clean": {"require_improvement": True, "label_issues": "fix", "fix_above": 0.9},
            },
            "unused_key",
            "clean.fix_above",
        ),
        (with_own_probs(outliers={"by": "embedding"}), "conflicting_inputs", "checks.outliers.by"),
        (with_own_probs(non_iid={"by": "day"}), "conflicting_inputs", "checks.non_iid"),
        (with_own_probs(valuation={}), "conflicting_inputs", "checks.valuation"),
        (with_own_probs(groups={}), "no_groups", "checks.groups.columns"),
        (with_key("checks.groups", {"clusters": False}), "no_groups", "checks.groups.columns"),
        (with_key("checks.non_iid", {}), "missing_key", "checks.non_iid.by"),
        (with_key("export.soft_copies", 1), "out_of_range", "export.soft_copies"),
        (with_key("evaluate.params", {"D": 1}), "unknown_key", "evaluate.params.D"),
        (with_key("evaluate.params", {"C": 0}), "out_of_range", "evaluate.params.C"),
        (with_key("evaluate.max_train_rows", 99), "out_of_range", "evaluate.max_train_rows"),
        (
            {**without_text(features=["a"]), "evaluate": {"holdout": "h.csv"}},
            "conflicting_inputs",
            "evaluate.holdout",
        ),
        (
            {**without_text(text="t", pred_probs="p"), "evaluate": {"holdout": "h.csv"}},
            "conflicting_inputs",
            "evaluate.holdout",
        ),
    ],
)
def test_what_cannot_go_together_is_an_error(raw, code, where):
    assert problems_of(raw) == [(code, where)]


def test_keys_that_name_columns_of_the_input():
    raw = {
        **without_text(features=["a", "b"], id="i"),
        "output": {"partition_by": ["month", "a"]},
        "checks": {
            "nulls": {"columns": ["c"]},
            "groups": {"columns": ["d"]},
            "non_iid": {"by": "e"},
        },
    }
    assert list(named(COLUMN, parse_config(raw))) == [
        ("input.label", "l"),
        ("input.id", "i"),
        ("input.features", "a"),
        ("input.features", "b"),
        ("checks.nulls.columns", "c"),
        ("checks.non_iid.by", "e"),
        ("checks.groups.columns", "d"),
        ("output.partition_by", "month"),
        ("output.partition_by", "a"),
    ]


def test_checks_that_nobody_asked_for_fit_what_rows_have():
    checks = parse_config(MINIMAL).checks
    on = {name for name in vars(checks) if getattr(checks, name) is not None}
    expected = {"exact_duplicates", "near_duplicates", "outliers", "imbalance", "text", "drift"}
    assert on == {*expected, "neighbors"}
    of_vectors = parse_config(without_text(embedding="v"))
    assert of_vectors.checks.text is None
    assert of_vectors.checks.near_duplicates.by == "embedding"
    assert parse_config(with_own_probs()).checks.near_duplicates.by == "text"
    without = {"near_duplicates": None, "text": None}
    assert parse_config({**MINIMAL, "checks": without}).checks.near_duplicates is None


def test_another_classifier_gets_its_own_params_only():
    path = "sklearn.ensemble.HistGradientBoostingClassifier"
    alone = parse_config({**MINIMAL, "crossval": {"classifier": path}})
    assert alone.crossval.params == {}
    own = {"classifier": path, "params": {"max_iter": 5}}
    assert parse_config({**MINIMAL, "crossval": own}).crossval.params == {"max_iter": 5}


@pytest.mark.parametrize("version", [7, "2026-01-31", "2026-01-31T12:00:00+02:00", None])
def test_a_table_format_has_versions(version):
    raw = {**MINIMAL, "input": {**MINIMAL["input"], "format": "delta", "version": version}}
    config = parse_config(raw)
    assert config.input.version == version
    assert parse_config(to_dict(config)) == config


@pytest.mark.parametrize(
    ("format_", "version", "code"),
    [("parquet", 7, "unused_key"), (None, 7, "unused_key"), ("iceberg", "newest", "bad_version")],
)
def test_a_version_that_nothing_has_is_refused(format_, version, code):
    raw = {**MINIMAL, "input": {**MINIMAL["input"], "format": format_, "version": version}}
    assert problems_of(raw) == [(code, "input.version")]


def test_a_date_is_the_text_it_is(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "{input: {path: t, format: delta, version: 2026-01-31, text: a, label: b}, workspace: w}"
    )
    assert load_config(path).input.version == "2026-01-31"
    assert load_config(path, overrides=["input.version=2026-02-01"]).input.version == "2026-02-01"


@pytest.mark.parametrize(
    "keys", [{"embedding": "v"}, {"embedding": "v", "text": "t"}, {"features": ["a", "b"]}]
)
def test_a_row_may_be_judged_by_an_embedding_or_by_features(keys):
    config = parse_config(without_text(**keys))
    assert config.input.has_own_vectors
    assert parse_config(to_dict(config)) == config


@pytest.mark.parametrize(
    ("path", "format_"),
    [
        ("a/train.csv", "csv"),
        ("a/TRAIN.CSV.gz", "csv"),
        ("s3a://bucket/rows.jsonl", "json"),
        ("rows.ndjson.zst", "json"),
        ("rows.parquet/", "parquet"),
    ],
)
def test_the_ending_tells_the_format(path, format_):
    config = parse_config(with_key("input.path", path))
    assert input_format(config.input) == format_


def test_a_stated_format_wins_over_the_ending():
    assert input_format(replace(DEFAULT.input, format="parquet")) == "parquet"


# --- files and overrides ------------------------------------------------------------------------

BASE = "input: {path: x.csv, text: t, label: l, options: {a: 1}}\nworkspace: out\n"


def test_a_later_file_wins_and_an_override_wins_over_all(write):
    first = write(BASE + "crossval: {folds: 3, seed: 1, rows_per_shard: 7}\n")
    second = write("crossval: {folds: 4, seed: 2}\n", "b.yaml")
    config = load_config(first, second, overrides=["crossval.folds=5"])
    crossval = config.crossval
    assert (crossval.folds, crossval.seed, crossval.rows_per_shard) == (5, 2, 7)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("workspace=a=b", "workspace", "a=b"),
        ("input.options.b=2", "input.options", {"a": 1, "b": 2}),
        ("output.partition_by=[l]", "output.partition_by", ("l",)),
        ("input.id=null", "input.id", None),
        ("label_issues.frac_noise=1e-3", "label_issues.frac_noise", 0.001),
        ("workspace={not: [yaml", "workspace", "{not: [yaml"),
    ],
)
def test_an_override_sets_one_key(write, override, key, value):
    config = load_config(write(BASE), overrides=[override])
    assert value_at(config, key) == value


@pytest.mark.parametrize("override", ["crossval.folds", "=5"])
def test_an_override_without_key_or_value_is_an_error(write, override):
    error = loading_fails(write(BASE), overrides=[override])
    assert (error.code, error.where) == ("bad_override", "--set")


def test_here_is_the_folder_of_the_file_it_stands_in(write, tmp_path):
    (tmp_path / "deeper").mkdir()
    deeper = write("input: {path: '{here}/x.csv'}\n", "deeper/b.yaml")
    config = load_config(write(BASE + "embedding: {store: '{here}/v'}\n"), deeper)
    assert config.embedding.store == f"{tmp_path}/v"
    assert config.input.path == f"{tmp_path}/deeper/x.csv"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("input: {path: x\nworkspace: y\n", "not_yaml", 2),
        ("workspace: a\ninput: {}\nworkspace: b\n", "not_yaml", 3),  # a key given twice
        ("crossval:\n  folds: 2\n  folds: 3\n", "not_yaml", 3),
        ("workspace: a\n? [b, c]\n: d\n", "not_yaml", 2),  # keys are text
        ("input:\n  options: {1: a}\n", "not_yaml", 2),
        ("&a [*a]\n", "not_yaml", None),  # a list that is in itself
        ("input: " + "[" * 5000, "not_yaml", None),
        ("input: " + "9" * 5000 + "\n", "not_yaml", None),
        ("just text\n", "not_a_mapping", None),
        ("", "not_a_mapping", None),
        ("- a\n- b\n", "not_a_mapping", None),
    ],
)
def test_a_file_that_is_no_configuration_is_an_error_that_says_where(write, text, code, line):
    path = write(text)
    error = loading_fails(path)
    assert (error.code, error.where) == (code, f"{path}:{line}" if line else str(path))


def test_an_override_that_has_no_end_is_an_error(write):
    error = loading_fails(write(BASE), overrides=["input.features=&a [*a]"])
    assert (error.code, error.where) == ("bad_override", "--set input.features")


@pytest.mark.parametrize("key", ["input.path", "workspace", "embedding.store"])
def test_a_path_with_a_nul_is_an_error(key):
    with pytest.raises(ConfigError) as caught:
        parse_config(with_key(key, "a\0b"))
    assert (caught.value.code, caught.value.where) == ("out_of_range", key)


def test_a_file_that_is_not_utf8_is_an_error(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes("workspace: café\n".encode("latin-1"))
    assert loading_fails(path).code == "not_yaml"


def test_a_file_that_is_not_there_is_told_from_the_nearest(write, tmp_path):
    write(BASE, "politeness.yaml")
    missing = tmp_path / "politness.yaml"
    error = loading_fails(missing)
    assert (error.code, error.where) == ("config_not_found", str(missing))
    assert "'politeness.yaml'" in error.hint


def test_a_bundled_configuration_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("quickstart") == load_config(ROOT / "conf" / "quickstart.yaml")


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fs.s3a.secret.key", "password", "sfToken", "SAS", "Signature"])
def test_what_may_be_a_secret_is_not_dumped(name):
    raw = with_key("input.options", {name: "hunter2", "header": "true"})
    config = parse_config(raw)
    assert config.input.options[name] == "hunter2"
    assert "hunter2" not in dump(config)
    assert yaml.safe_load(dump(config))["input"]["options"]["header"] == "true"


def test_keys_of_confident_learning_have_no_use_beside_the_posterior():
    keys = {"method": "posterior", "frac_noise": 0.5, "rank_by": "normalized_margin"}
    assert problems_of({**MINIMAL, "label_issues": keys}) == [
        ("unused_key", "label_issues.rank_by"),
        ("unused_key", "label_issues.frac_noise"),
    ]

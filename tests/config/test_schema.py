"""The JSON Schema refuses what the loader refuses; what is made from the sections is up to date."""

import json
import re
import runpy
import sys
from dataclasses import dataclass

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import ROOT
from lakewinnow.config import schema
from lakewinnow.config.file import parse_config
from lakewinnow.errors import ConfigError

SCHEMA = schema.json_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
ONE_BY_ONE = {"unknown_key", "wrong_type", "out_of_range", "not_a_mapping"}
GENERATE = runpy.run_path(str(ROOT / "conf" / "generate.py"))["main"]
MADE = GENERATE.__globals__["MADE"]


def keys_in(part, inside=()):
    """Yield the path of every key that a schema names, its sections' too."""
    for key, of in part.get("properties", {}).items():
        yield (*inside, key)
        yield from keys_in(of, (*inside, key))


KEYS = [*keys_in(SCHEMA), *keys_in(SCHEMA["allOf"][0]["then"])]
CHOICES = sorted(set(re.findall(r'"enum": \[([^]]*)\]', json.dumps(SCHEMA))))
WORDS = sorted({word for of in CHOICES for word in re.findall(r'"([^"]+)"', of)})
NUMBERS = st.one_of(
    st.integers(-2, 3),
    st.sampled_from([0.05, 0.1, 0.5, 1.0, 1.5, 2.0, 99, 100, 999, 1000, 1001, 1024, 1025, 1e6]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from([*WORDS, "a", "1e-3"]))
ITEMS = st.one_of(
    SCALARS,
    st.fixed_dictionaries({"use": SCALARS}, optional={"above": SCALARS, "abov": SCALARS}),
    st.fixed_dictionaries({}, optional={"layers": st.lists(SCALARS, max_size=2), "model": SCALARS}),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(ITEMS, max_size=2),
    st.dictionaries(st.sampled_from(["a", "C", "max_iter", "folds", "by"]), SCALARS, max_size=2),
)


def with_key(path, value):
    """Return a configuration as plain values, one key of it changed."""
    raw = {"input": {"path": "x.csv", "text": "t", "label": "l"}, "workspace": "out"}
    section = raw
    for name in path[:-1]:
        section = section.setdefault(name, {})
    section[path[-1]] = value
    return raw


def is_number(value):
    return type(value) in (int, float) and value >= 0


def is_refused_by_the_loader(raw):
    """Whether a value is wrong by itself: of a list's sections, one that lacks a key is, too."""
    try:
        parse_config(raw)
    except ConfigError as error:
        return any(
            problem.code in ONE_BY_ONE or (problem.code == "missing_key" and "[" in problem.where)
            for problem in error.problems
        )
    return False


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(KEYS), VALUES)
def test_the_schema_refuses_what_the_loader_refuses(path, value):
    if path == ("input", "classes") and isinstance(value, list):
        value = [of for of in value if not isinstance(of, float)]  # JSON takes 1.0 for 1
    elif path == ("checks", "near_duplicates", "threshold") and is_number(value):
        value = max(value, 0.3)  # which it is to be by text alone
    raw = with_key(path, value)
    assert is_refused_by_the_loader(raw) == (not VALIDATOR.is_valid(raw))


@given(st.sampled_from(KEYS), st.sampled_from(["fold", "labels", "C", "by", "checks", "x_"]))
def test_a_key_that_the_loader_does_not_know_is_refused(path, name):
    raw = with_key((*path[:-1], name), None)
    assert is_refused_by_the_loader(raw) == (not VALIDATOR.is_valid(raw))


def test_another_classifier_has_other_params():
    raw = with_key(("crossval",), {"classifier": "a.b", "params": {"depth": 3}})
    assert VALIDATOR.is_valid(raw)
    raw["crossval"]["classifier"] = "logistic"
    assert not VALIDATOR.is_valid(raw)


def test_a_check_that_is_named_where_it_is_has_keys_of_its_own():
    raw = with_key(("checks", "mine"), {"use": "mine.CHECK", "above": 3})
    raw["clean"] = {"mine": "drop", "mine_tag": "x"}
    assert VALIDATOR.is_valid(raw)
    del raw["checks"]["mine"]["use"]
    assert len(list(VALIDATOR.iter_errors(raw))) == 3  # no such check, and two keys of clean


def test_it_is_a_schema_and_every_key_says_what_it_is_for():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    # What is done with a check's rows says itself; so do the choices of cleanlab.
    silent = [path for path, of in described(SCHEMA) if "description" not in of]
    assert all(
        path[0] == "clean" or path[-1] in ("filter_by", "rank_by", "epochs") for path in silent
    )


def test_a_text_below_a_field_is_its_own_wherever_the_class_is():
    @dataclass(frozen=True)
    class Section:
        """Keys of a check."""

        most: int = 1
        """How many
        at most."""
        other: int = 1

    @dataclass(frozen=True)
    class Same(Section):
        other: int = 2
        """Another."""

    assert schema.texts_of(Section) == {"most": "How many at most."}
    assert schema.texts_of(Same) == {"most": "How many at most.", "other": "Another."}
    typed = "from dataclasses import dataclass\n@dataclass\nclass Typed:\n    most: int = 1"
    exec(typed, named := {"__name__": "typed in"})  # noqa: S102 - as into a notebook
    assert schema.texts_of(named["Typed"]) == {}


def described(part, inside=()):
    for key, of in part.get("properties", {}).items():
        yield (*inside, key), of
        yield from described(of, (*inside, key))


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bundled_configuration_fits_the_schema_that_it_names(path):
    text = path.read_text(encoding="utf-8")
    [named] = re.findall(r"^# yaml-language-server: \$schema=(.+)", text)
    with (path.parent / named).open(encoding="utf-8") as file:
        jsonschema.validate(yaml.safe_load(text), json.load(file))


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_from_the_sections_is_up_to_date(name):
    made = MADE[name]()
    assert (ROOT / name).read_text(encoding="utf-8") == made, "run python conf/generate.py"


def test_the_command_names_what_is_out_of_date(tmp_path, monkeypatch):
    """In a copy, so that no file of the checkout changes."""
    monkeypatch.setitem(GENERATE.__globals__, "ROOT", tmp_path)
    for name in MADE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    stale = tmp_path / "conf" / "base.yaml"
    stale.write_text(stale.read_text(encoding="utf-8").replace("folds: 10", "folds: 11"))
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    with pytest.raises(SystemExit, match=r"out of date: conf/base\.yaml; "):
        GENERATE()
    assert "folds: 11" in stale.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    GENERATE()
    assert stale.read_bytes() == (ROOT / "conf" / "base.yaml").read_bytes()

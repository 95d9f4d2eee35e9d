"""Dataclasses become JSON and come back, and JSON keeps their schema."""

import json
from dataclasses import dataclass, is_dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, get_args

import pytest

from lakewinnow.figures.manifest import Manifest
from lakewinnow.figures.summary import Summary
from lakewinnow.plan.registry import own_checks
from lakewinnow.typed_json import from_json, json_schema, members, to_json


class AtLeastOne:
    json_schema: ClassVar = {"minimum": 1}


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A leaf."""

    n: Annotated[int, "how many", AtLeastOne()]
    share: float | None
    else_: str = "keep"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree.

    More of it.
    """

    leaves: tuple[Leaf, ...]
    by_name: dict[str, Leaf]
    kind: Literal["oak", "ash"]
    first: Annotated[Leaf | None, "the oldest"] = None
    anything: Any = None


jsonschema = pytest.importorskip("jsonschema")

LEAF = Leaf(n=3, share=None)
TREE = Tree(leaves=(LEAF, Leaf(n=1, share=0.5)), by_name={"a": LEAF}, kind="oak")


@pytest.mark.parametrize("tree", [TREE, replace(TREE, first=LEAF, anything={"x": [1, None]})])
def test_what_is_written_comes_back(tree):
    written = json.loads(json.dumps(to_json(tree)))
    assert from_json(Tree, written) == tree
    jsonschema.validate(written, json_schema(Tree))


def test_a_field_whose_default_is_none_is_left_out_where_it_is_none():
    assert to_json(TREE) == {
        "leaves": [{"n": 3, "share": None, "else": "keep"}, {"n": 1, "share": 0.5, "else": "keep"}],
        "by_name": {"a": {"n": 3, "share": None, "else": "keep"}},
        "kind": "oak",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "elm"},
        {"leaves": [{"n": 0, "share": None, "else": "keep"}]},
        {"leaves": [{"n": 1, "else": "keep"}]},
        {"by_name": {"a": 1}},
        {"unknown": 1},
    ],
)
def test_the_schema_finds_what_is_wrong(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**to_json(TREE), **wrong}, json_schema(Tree))


def test_the_schema_says_what_fields_mean():
    schema = json_schema(Tree, more={"bush": Leaf})
    assert schema["description"] == "A tree."
    assert schema["properties"]["first"]["description"] == "the oldest"
    assert schema["$defs"]["Leaf"]["properties"]["n"] == {
        "type": "integer",
        "description": "how many",
        "minimum": 1,
    }
    assert schema["properties"]["bush"] == {"$ref": "#/$defs/Leaf"}
    jsonschema.validate({**to_json(TREE), "bush": to_json(LEAF), "other": 1}, schema)


def test_figures_have_names_of_their_own():
    """By which summary.schema.json knows them."""
    found, waiting = {}, [Summary, Manifest, *(of.figures for of in own_checks() if of.figures)]
    while waiting:
        cls = waiting.pop()
        assert found.setdefault(cls.__name__, cls) is cls
        hints = [of.hint for of in members(cls)]
        while hints:
            hint = hints.pop()
            hints += get_args(hint)
            if is_dataclass(hint) and hint.__name__ not in found:
                waiting.append(hint)

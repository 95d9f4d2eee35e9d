"""The JSON Schema of a configuration, for editors, and the texts of its keys.

It refuses the values, the ranges and the unknown keys that the loader refuses. No key is required,
since a file may say a part of a configuration only, over which others are laid.
"""

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from lakewinnow.config.sections import (
    FINETUNE,
    LOGISTIC,
    FinetunedParams,
    LogisticParams,
    config_with,
)
from lakewinnow.config.types import KeysOf
from lakewinnow.config.values import section_of
from lakewinnow.plan.check import Check
from lakewinnow.plan.registry import USE, installed_checks
from lakewinnow.typed_json import key_of, schema_of, to_json

DIALECT: Final = "http://json-schema.org/draft-07/schema#"  # the one that every editor knows
FILE: Final = "lakewinnow.schema.json"


def json_schema(others: tuple[Check[Any], ...] = ()) -> dict[str, Any]:
    """Return the JSON Schema of a file of the configuration.

    Parameters
    ----------
    others : checks of others that it may turn on by their names; by `use` it may any
    """
    schema = _section(config_with(others))
    checks, clean = schema["properties"]["checks"], schema["properties"]["clean"]
    names_check = {"type": "object", "required": [USE], "properties": {USE: {"type": "string"}}}
    checks["additionalProperties"] = names_check
    del clean["additionalProperties"]  # what is done with the rows of such a check
    params, tuned = (
        {"properties": {"params": _section(of)}} for of in (LogisticParams, FinetunedParams)
    )
    is_logistic = {"properties": {"classifier": {"const": LOGISTIC}}}  # or nothing is said
    is_tuned = {"properties": {"classifier": {"const": FINETUNE}}, "required": ["classifier"]}
    uses_none = {"additionalProperties": {"not": names_check}}
    is_known = {"propertyNames": {"enum": list(clean["properties"])}}
    return {
        "$schema": DIALECT,
        "title": "A configuration of lakewinnow, or a part of one",
        **schema,
        "allOf": [
            _if({"crossval": is_logistic}, {"crossval": params, "evaluate": params}),
            _if({"crossval": is_tuned}, {"crossval": tuned}, "crossval"),
            _if({"checks": uses_none}, {"clean": is_known}),
        ],
    }


def _if(known: Mapping[str, Any], then: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"if": {"properties": known, "required": [*required]}, "then": {"properties": then}}


def written() -> str:
    """Return the JSON Schema as the content of a file, with the checks that are installed."""
    return as_file(json_schema(installed_checks()))


def as_file(schema: Mapping[str, Any]) -> str:
    """Return a JSON Schema as the content of a file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def texts_of(section: type) -> dict[str, str]:
    """Return the text below each field of a section; of an inner section that has none, its own."""
    found: dict[str, str] = {}
    for cls in section.__mro__:
        module = sys.modules.get(cls.__module__)
        if is_dataclass(cls) and module is not None:
            found.update(_texts_in(module).get(cls.__qualname__, {}))
    for f in fields(section):
        if f.metadata.get("about"):
            found[f.name] = f.metadata["about"]
    for name, hint in get_type_hints(section).items():
        inner = section_of(hint)
        if inner is not None and name not in found:
            found[name] = text_of(inner)
    return found


def text_of(section: type) -> str:
    """Return what a section is about: the first paragraph of its docstring."""
    return " ".join(inspect.cleandoc(section.__doc__ or "").partition("\n\n")[0].split())


@cache
def _texts_in(module: ModuleType) -> dict[str, dict[str, str]]:
    """Return the texts below fields of all classes of a module, by their qualified names."""
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):  # what is typed into a notebook has no source, and no texts
        return {}
    return {name: dict(_texts_below(body)) for name, body in _classes(ast.parse(source))}


def _classes(inside: ast.AST, path: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    for node in ast.iter_child_nodes(inside):
        deeper = path
        if isinstance(node, ast.ClassDef):
            yield path + node.name, node
            deeper = f"{path}{node.name}."
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            deeper = f"{path}{node.name}.<locals>."
        yield from _classes(node, deeper)


def _texts_below(body: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                yield name, " ".join(said.split())


def default_of(f: "Field[Any]") -> Any:
    """Return the default of a field; `MISSING` where it is required."""
    return f.default if f.default_factory is MISSING else f.default_factory()


def _section(section: type, *, is_part: bool = True) -> dict[str, Any]:
    hints, texts = get_type_hints(section, include_extras=True), texts_of(section)
    required = [key_of(f) for f in fields(section) if default_of(f) is MISSING]
    return {
        "description": text_of(section),
        "type": "object",
        "properties": {
            key_of(f): _value(hints[f.name], texts.get(f.name), default_of(f))
            for f in fields(section)
        },
        **({} if is_part else {"required": required}),
        "additionalProperties": False,
    }


def _value(hint: Any, text: str | None, default: Any) -> dict[str, Any]:
    section = section_of(hint)
    about = {} if text is None else {"description": text}
    if section is not None:  # null: off, or the section with its defaults
        return {**_section(section), **about, "type": ["object", "null"]}
    if default is not MISSING:
        about["default"] = to_json(default)
    inner = get_args(hint)[0] if get_origin(hint) is tuple else None
    if inner is not None and (section := _listed(inner)) is not None:
        items = _section(section, is_part=False)
        if get_args(inner)[1:] and get_args(inner)[1].short:
            items = {"anyOf": [{"type": "string"}, items]}
        return {"type": "array", "items": items, **about}
    return {**_flat(schema_of(hint, {})), **about}


def _listed(hint: Any) -> type | None:
    if get_origin(hint) is Annotated and isinstance(get_args(hint)[1], KeysOf):
        of: type = get_args(hint)[1].section
        return of
    return section_of(hint)


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the same schema, without `anyOf` where an editor shows the choices better: or null."""
    options = schema.get("anyOf", [])
    if len(options) == 2 and options[1] == {"type": "null"}:
        first = options[0]
        if "enum" in first:
            return {"enum": [*first["enum"], None]}
        if isinstance(first.get("type"), str):
            return {**first, "type": [first["type"], "null"]}
    return schema


if __name__ == "__main__":
    print(written(), end="")  # noqa: T201

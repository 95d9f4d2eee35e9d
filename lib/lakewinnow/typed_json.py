"""Frozen dataclasses as JSON and back, and the JSON Schema of what they become.

A field whose default is None is left out where its value is None; all others are always written. A
name that Python reserves has an underscore after it, which JSON has not. What a field means stands
beside its type, ``rows: Annotated[int, "rows that are an issue"]``; anything else that stands there
has a `json_schema`, a mapping, which says what the type alone does not.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

T = TypeVar("T")
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final[Mapping[object, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    types.NoneType: "null",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True)
class Member:
    """A field, as JSON has it: its key, its type and what it means."""

    key: str
    hint: Any
    text: str
    is_required: bool


def members(cls: type) -> Iterator[Member]:
    """Give the fields of a dataclass."""
    hints = get_type_hints(cls, include_extras=True)
    for f in fields(cls):
        said = [part for part in getattr(hints[f.name], "__metadata__", ()) if type(part) is str]
        yield Member(key_of(f), hints[f.name], " ".join(said), f.default is not None)


def key_of(f: "Field[Any]") -> str:
    """Return the name of a field in JSON."""
    return f.name.rstrip("_")


def to_json(value: Any, *, with_nulls: bool = False) -> Any:
    """Return what `json.dumps` takes; on request with what is None by default, too."""
    if is_dataclass(value):
        found = ((f, getattr(value, f.name)) for f in fields(value))
        return {
            key_of(f): to_json(inner, with_nulls=with_nulls)
            for f, inner in found
            if with_nulls or not (inner is None and f.default is None)
        }
    if isinstance(value, Mapping):
        return {key: to_json(inner, with_nulls=with_nulls) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(inner, with_nulls=with_nulls) for inner in value]
    return value


def from_json(cls: type[T], value: Mapping[str, Any]) -> T:
    """Return the dataclass that was written; keys that it has not are left out."""
    return cast("T", _read(cls, value))


def _read(hint: Any, value: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _read(args[0], value)
    if value is None:
        return None
    if origin in (Union, types.UnionType):
        options = [option for option in args if option is not types.NoneType]
        return _read(options[0], value) if len(options) == 1 else value
    if is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        given = {f.name: key_of(f) for f in fields(hint) if key_of(f) in value}
        made: Any = hint
        return made(**{name: _read(hints[name], value[key]) for name, key in given.items()})
    if origin in (list, tuple):
        return origin(_read(args[0], inner) for inner in value)
    if origin is dict:
        return {key: _read(args[1], inner) for key, inner in value.items()}
    return value


def json_schema(cls: type, *, more: Mapping[str, type] | None = None) -> dict[str, Any]:
    """Return the JSON Schema of a dataclass.

    Parameters
    ----------
    more : keys beside its fields, by the dataclass that each has; others may then be there, too
    """
    definitions: dict[str, Any] = {}
    schema = _object(cls, definitions)
    for key, of in (more or {}).items():
        schema["properties"][key] = schema_of(of, definitions)
    if more is not None:
        schema["additionalProperties"] = True
    return {"$schema": DIALECT, "title": cls.__name__, **schema, "$defs": definitions}


def _object(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    found = list(members(cls))
    return {
        "description": (cls.__doc__ or "").partition("\n")[0],
        "type": "object",
        "properties": {of.key: schema_of(of.hint, definitions) for of in found},
        "required": [of.key for of in found if of.is_required],
        "additionalProperties": False,
    }


def schema_of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one type; those of dataclasses go to the definitions."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        schema = schema_of(args[0], definitions)
        for part in args[1:]:
            schema |= {"description": part} if isinstance(part, str) else part.json_schema
        return schema
    if is_dataclass(hint):
        name = cast("type", hint).__name__
        if name not in definitions:
            definitions[name] = {}  # in its place before what it has in it
            definitions[name] = _object(cast("type", hint), definitions)
        return {"$ref": f"#/$defs/{name}"}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(option, definitions) for option in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (list, tuple):
        return {"type": "array", "items": schema_of(args[0], definitions)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(args[1], definitions)}
    return {"type": _TYPES[hint]} if hint in _TYPES else {}

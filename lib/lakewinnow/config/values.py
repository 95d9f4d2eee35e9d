"""Each value of a configuration against the annotation of its key.

What an error says may be written is made from the annotation, too.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lakewinnow.config.sections import Config
from lakewinnow.config.types import KeysOf, Names, OrInteger
from lakewinnow.errors import ConfigError, did_you_mean
from lakewinnow.typed_json import key_of

Section = TypeVar("Section")


def check_types(
    cls: type[Section], raw: Any, where: str, problems: list[ConfigError]
) -> Section | None:
    """Build a section from plain values; None, and problems, where it cannot be built."""
    prefix = f"{where}." if where else ""
    if not isinstance(raw, Mapping):
        problems.append(ConfigError("not_a_mapping", where, "a mapping of keys", raw))
        return None
    known: dict[str, Field[Any]] = {key_of(f): f for f in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(map(str, raw.keys() - known.keys()))
    problems.extend(_unknown_key(key, prefix, list(known)) for key in unknown)
    hints = get_type_hints(cls, include_extras=True)
    values = {}
    for key, f in known.items():
        if key in raw and not (raw[key] is None and is_dataclass(hints[f.name])):
            values[f.name] = _value(hints[f.name], raw[key], prefix + key, problems)
        elif f.default is MISSING and f.default_factory is MISSING:
            if is_dataclass(hints[f.name]):  # its own missing keys say more than "missing"
                values[f.name] = _value(hints[f.name], {}, prefix + key, problems)
            else:
                hint = f"add it to the file, or --set {prefix}{key}=…"
                problems.append(ConfigError("missing_key", prefix + key, "a value", None, hint))
    return None if problems else cls(**values)


def _unknown_key(key: str, prefix: str, known: list[str]) -> ConfigError:
    """Return the error that names the nearest key there is, here or in another section."""
    hint = did_you_mean(key, known)
    elsewhere = [path for path in _all_keys() if path.rpartition(".")[2] == key]
    if not hint and elsewhere:
        hint = f"did you mean {elsewhere[0]!r}?"
    expected = f"one of {', '.join(known)}"
    return ConfigError("unknown_key", f"{prefix}{key}", expected, key, hint)


def _all_keys(cls: type = Config, prefix: str = "") -> Iterator[str]:
    for name, hint in get_type_hints(cls).items():
        section = section_of(hint)
        if section is not None:
            yield from _all_keys(section, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name.rstrip('_')}"


def section_of(hint: Any) -> type | None:
    """Return the section that a key holds, be it one that null turns off; None for a value."""
    sections = (of for of in alternatives(hint) if isinstance(of, type) and is_dataclass(of))
    return next(sections, None)


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return what a union is of; another type alone."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _value(hint: Any, raw: Any, where: str, problems: list[ConfigError]) -> Any:
    section = section_of(hint)
    if section is not None and (section is hint or raw is not None):
        return check_types(section, raw, where, problems)
    args = get_args(hint)
    if get_origin(hint) is tuple and isinstance(raw, (list, tuple)) and _has_keys(args[0]):
        return tuple(_value(args[0], of, f"{where}[{i}]", problems) for i, of in enumerate(raw))
    if get_origin(hint) is Annotated and isinstance(args[1], KeysOf):
        if args[1].short and isinstance(raw, str):
            raw = {args[1].short: raw}
        check_types(args[1].section, raw, where, problems)
        return raw
    matched, value = match(hint, raw)
    if not matched:
        code = "out_of_range" if _is_out_of_range(hint, raw) else "wrong_type"
        near = did_you_mean(raw, _choices(hint)) if isinstance(raw, str) else ""
        problems.append(ConfigError(code, where, describe(hint), raw, near))
    return value


def _has_keys(hint: Any) -> bool:
    return section_of(hint) is not None or any(isinstance(of, KeysOf) for of in get_args(hint))


def match(hint: Any, raw: Any) -> tuple[bool, Any]:
    """Whether a raw value fits a type hint, and the value as the hint's type."""
    origin, args = get_origin(hint), get_args(hint)
    if len(alternatives(hint)) > 1:
        options = (match(option, raw) for option in args)
        return next((option for option in options if option[0]), (False, None))
    if origin is Annotated and isinstance(args[1], OrInteger):
        return match(str, str(raw) if type(raw) is int else raw)
    if origin is Annotated:
        matched, value = match(args[0], raw)
        return matched and args[1].holds(value), value
    if origin is Literal:
        return not isinstance(raw, bool) and raw in args, raw
    if origin is tuple:
        items = [match(args[0], item) for item in raw] if isinstance(raw, (list, tuple)) else []
        matched = isinstance(raw, (list, tuple)) and all(ok for ok, _ in items)
        return matched, tuple(value for _, value in items)
    if origin is not None and issubclass(origin, Mapping):
        return _match_mapping(args[1], raw)
    return _match_scalar(hint, raw)


def _match_mapping(hint: Any, raw: Any) -> tuple[bool, Any]:
    if not isinstance(raw, Mapping) or hint is Any:
        return isinstance(raw, Mapping), raw
    items = {key: match(hint, value) for key, value in raw.items()}
    matched = all(isinstance(key, str) and ok for key, (ok, _) in items.items())
    return matched, {key: value for key, (_, value) in items.items()}


def _match_scalar(hint: Any, raw: Any) -> tuple[bool, Any]:
    if isinstance(raw, bool):  # which Python takes for an int
        return hint is bool, raw
    if hint is float and isinstance(raw, int):
        try:
            return True, float(raw)
        except OverflowError:  # beyond 1e308
            return False, raw
    if hint is int and isinstance(raw, float) and raw.is_integer():  # 1e6, say
        return True, int(raw)
    return isinstance(raw, hint), raw


def _is_out_of_range(hint: Any, raw: Any) -> bool:
    bounded = [h for h in alternatives(hint) if get_origin(h) is Annotated]
    return any(match(get_args(h)[0], raw)[0] for h in bounded)


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    return [choice for option in get_args(hint) for choice in _choices(option)]


_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    types.NoneType: "null",
}


def describe(hint: Any) -> str:
    """Say what a user may write."""
    origin, args = get_origin(hint), get_args(hint)
    if len(alternatives(hint)) > 1:
        return " or ".join(map(describe, args))
    if section_of(hint) is not None:
        return "a mapping of keys"
    if origin is Annotated:
        return str(args[1]) if isinstance(args[1], Names) else f"{describe(args[0])} {args[1]}"
    if origin is Literal:
        return " | ".join(map(str, args))
    if origin is tuple:
        return f"a list (each: {describe(args[0])})"
    if origin is not None and issubclass(origin, Mapping):
        return "a mapping" if args[1] is Any else f"a mapping (each: {describe(args[1])})"
    return _NAMES.get(hint, str(hint))

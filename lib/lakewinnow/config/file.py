"""Strict reading of configuration files: each key known, each value of its type, or an error.

All faults of a file are found before the first is reported. `load_config` overlays files left to
right, then the `--set` overrides; `to_dict` and `dump` give back what a run really used.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from lakewinnow.config.combinations import (
    check_combinations,
    check_content,
    with_default_checks,
    with_default_params,
)
from lakewinnow.config.sections import Config, config_with
from lakewinnow.config.values import check_types
from lakewinnow.errors import ConfigError, Shown, did_you_mean
from lakewinnow.masking import masked
from lakewinnow.plan.registry import other_checks
from lakewinnow.typed_json import to_json

Raw = dict[str, Any]

_MOST_VALUES: Final = 100_000  # in a file: 10,000 classes have a weight each, say
_TOO_MUCH: Final = (
    f"at most {_MOST_VALUES:,} values, not too deep in each other",
    Shown("more"),
    "does an alias, *name, stand inside of what it names?",
)
HERE: Final = "{here}"  # in a file: the folder of that file


def load_config(*paths: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read one or more YAML files, later ones over earlier ones, then ``KEY=VALUE`` overrides.

    Raises
    ------
    ConfigError : carries every problem found: unknown keys, wrong types, impossible combinations
    """
    raw: Raw = {}
    for path in paths:
        _overlay(raw, _read(Path(path)))
    for override in overrides:
        _overlay(raw, _parse_override(override))
    return parse_config(raw)


def parse_config(raw: Mapping[str, Any]) -> Config:
    """Check a plain mapping (as read from YAML) and return the configuration it describes."""
    problems: list[ConfigError] = list(check_content(raw))
    others = other_checks(raw, problems)
    config = check_types(config_with(others), raw, "", problems)
    if config is not None:
        config = with_default_checks(with_default_params(config), raw.get("checks") or ())
        problems += check_combinations(config)
    if config is None or problems:
        raise ConfigError.together(problems)
    return config


def to_dict(config: object) -> Raw:
    """Return a configuration (or one section) as plain YAML-able values."""
    plain: Raw = to_json(config, with_nulls=True)
    return plain


def leaves(section: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a section by their dotted keys; a section of nothing is a value."""
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{inside}{key}.")
        else:
            yield f"{inside}{key}", value


def dump(config: Config) -> str:
    """Return the resolved configuration as YAML, with values that may be secrets hidden."""
    return yaml.safe_dump(public_dict(config), sort_keys=False, allow_unicode=True)


def public_dict(config: Config) -> Raw:
    """Return the resolved configuration with values that may be secrets hidden."""
    hidden: Raw = masked(to_dict(config))
    return hidden


# --- reading ------------------------------------------------------------------------------------


class _StrictLoader(yaml.SafeLoader):
    """YAML whose keys are text, and in which a key given twice is an error, not an overwrite.

    A date stays the text it is: no key has a date, and a version of a table or a class may be one.
    1e-3 is a number, as in YAML 1.2 and JSON.
    """


def _mapping_without_repeats(loader: _StrictLoader, node: yaml.MappingNode) -> Raw:
    mapping: Raw = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            problem = f"key {key!r} is not text: quote it"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
        if key in mapping:
            problem = f"key {key!r} is given twice"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats
)
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def bundled(name: str) -> Path:
    """Return the path of a file under conf/: in the installed package, else in the checkout."""
    package = Path(__file__).parents[1]
    inside = package / "conf" / name
    return inside if inside.exists() else package.parent.parent / "conf" / name


def _read(path: Path) -> Raw:
    if not path.suffix and not path.exists() and bundled(f"{path}.yaml").is_file():
        path = bundled(f"{path}.yaml")  # `lakewinnow run quickstart`, wherever it is installed
    if not path.is_file():
        near = did_you_mean(path.name, sorted(p.name for p in path.parent.glob("*.y*ml")))
        expected = "a configuration file"
        hint = near or "`lakewinnow init PATH` writes one for your table"
        raise ConfigError("config_not_found", str(path), expected, Shown("no such file"), hint)
    try:
        text = path.read_text(encoding="utf-8")
        raw = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise ConfigError("not_yaml", str(path), *_TOO_MUCH) from None
    except (yaml.YAMLError, ValueError) as error:  # no UTF-8, or a number of thousands of digits
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError("not_yaml", where, "valid YAML", Shown(reason)) from None
    if _has_more_values(raw, _MOST_VALUES):
        raise ConfigError("not_yaml", str(path), *_TOO_MUCH)
    if not isinstance(raw, dict):
        raise ConfigError("not_a_mapping", str(path), "a mapping of sections", raw)
    return {key: _expand(value, str(path.resolve().parent)) for key, value in raw.items()}


def _has_more_values(raw: Any, most: int) -> bool:
    """Whether there are more values than so many: an alias may repeat without end."""
    left, n_values = [raw], 0
    while left and n_values <= most:
        value = left.pop()
        n_values += 1
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return n_values > most


def _expand(value: Any, here: str) -> Any:
    if isinstance(value, str):
        return value.replace(HERE, here)
    if isinstance(value, dict):
        return {key: _expand(inner, here) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expand(inner, here) for inner in value]
    return value


def _parse_override(override: str) -> Raw:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError("bad_override", "--set", "KEY=VALUE, e.g. crossval.folds=5", override)
    try:
        parsed: Any = yaml.load(value, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError):
        parsed = value
    if _has_more_values(parsed, _MOST_VALUES):
        raise ConfigError("bad_override", f"--set {key}", *_TOO_MUCH)
    for name in reversed(key.strip().split(".")):
        parsed = {name: parsed}
    return dict(parsed)


def _overlay(base: Raw, over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _overlay(base[key], value)
        else:
            base[key] = value

"""Which checks there are: our own, those of other packages, and those that a configuration names.

Another package brings a check by an entry point of the group ``lakewinnow.checks``, whose name is
the check's; it is imported where `checks` or `clean` has that name. A section with a key `use`
names a check by its import path, ``mypackage.checks.CHECK``, or in a file, ``./my_check.py:CHECK``.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from lakewinnow import columns
from lakewinnow.errors import ConfigError, Shown
from lakewinnow.plan.check import KINDS, Check

GROUP: Final = "lakewinnow.checks"
USE: Final = "use"
LEAVE_OR_STAY: Final = ("drop", "review", "keep")
# A folder of checks/ each, in the order of their columns in issues/. Listed, since a zip on
# --py-files has neither entry points nor a folder to look into.
OWN: Final = (
    "exact_duplicates",
    "outliers",
    "imbalance",
    "nulls",
    "non_iid",
    "groups",
    "valuation",
    "near_duplicates",
    "text",
    "pii",
    "language_mismatch",
    "drift",
)
_FILE: Final = re.compile(r"(.+\.py):(\w+)")
_TAKEN: Final = {of for of in vars(columns).values() if isinstance(of, str)}


@cache
def own_checks() -> tuple[Check[Any], ...]:
    """Return our own checks."""
    return tuple(import_module(f"lakewinnow.checks.{name}").CHECK for name in OWN)


def other_checks(raw: Mapping[str, Any], problems: list[ConfigError]) -> tuple[Check[Any], ...]:
    """Return the checks of others that a configuration names.

    Parameters
    ----------
    raw : the configuration, as read
    problems : is added what is wrong with them: not importable, no `Check`, a name or a column that
        another one has, actions that are none
    """
    found: dict[str, Check[Any]] = {}
    for name, path, where in _named(raw):
        try:
            check = load(path)
        except (ImportError, AttributeError, SyntaxError, OSError) as error:
            expected, got = "a check that can be imported", Shown(f"{path}: {error}")
            problems.append(ConfigError("not_importable", where, expected, got))
            continue
        faults = list(_faults(check, name, where, [*own_checks(), *found.values()]))
        problems += faults
        if not faults:
            found[name] = _from(path, check, is_referred=where.endswith(USE))
    return tuple(found.values())


def installed_checks() -> tuple[Check[Any], ...]:
    """Return the checks of other packages, those that have faults aside."""
    return other_checks({"checks": dict.fromkeys(_entry_points())}, [])


@cache
def _from(path: str, check: Check[Any], *, is_referred: bool) -> Check[Any]:
    return replace(check, source=path, is_referred=is_referred)


def local_modules() -> list[ModuleType]:
    """Return the files that were loaded, which other processes cannot import."""
    return [module for name, module in sys.modules.items() if name.startswith(_LOCAL)]


def _named(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give the name of each check, where it is, and the key that names it."""
    sections, clean = (raw.get(key) for key in ("checks", "clean"))
    sections = sections if isinstance(sections, Mapping) else {}
    points = _entry_points()
    names = {*sections, *(clean if isinstance(clean, Mapping) else ())}
    for name, section in sections.items():
        if isinstance(section, Mapping) and section.get(USE) is not None:
            yield str(name), str(section[USE]), f"checks.{name}.{USE}"
            names.discard(name)
    known = {*OWN, "neighbors", *points}
    wanted = points if any(name not in known for name in sections) else names  # for a typo's hint
    for name in sorted(points.keys() & set(wanted)):
        yield name, points[name].value, f"checks.{name}"


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def load(path: str) -> Any:
    """Return what an import path names, ``mypackage.rules.NAME``, or a file, ``./x.py:NAME``.

    Raises
    ------
    ImportError, AttributeError, SyntaxError, OSError, ValueError : as the import does
    """
    in_file = _FILE.fullmatch(path)
    if in_file is not None:
        file = Path(in_file[1]).resolve()
        return getattr(_module_of(file, file.read_bytes()), in_file[2])
    module, _, name = path.replace(":", ".").rpartition(".")
    return getattr(import_module(module), name)


_LOCAL: Final = "lakewinnow_file_"


@cache
def _module_of(file: Path, _: bytes) -> ModuleType:
    """Import a file, again where its content is another one."""
    name = f"{_LOCAL}{file.stem}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _faults(check: Any, name: str, where: str, others: list[Check[Any]]) -> Iterator[ConfigError]:
    """Yield what is wrong with a check of others."""
    if not isinstance(check, Check):
        expected = "a lakewinnow.plan.check.Check"
        yield ConfigError("not_a_check", where, expected, Shown(f"a {type(check).__name__}"))
        return
    if check.name != name:
        hint = "the key in `checks` and the entry point must have the check's name"
        yield ConfigError("other_name", where, f"a check of the name {name!r}", check.name, hint)
    elif not name.isidentifier() or name in _reserved() or name in {of.name for of in others}:
        hint = "rename the check"
        yield ConfigError("name_taken", where, "a name that no other key or check has", name, hint)
    if not is_dataclass(check.section) or not isinstance(check.default, check.section | None):
        expected = "a dataclass as `section`, and one of it, or None, as `default`"
        got = Shown(f"{check.section!r} and {check.default!r}")
        yield ConfigError("not_a_section", where, expected, got)
    elif USE in {of.name for of in fields(check.section)}:
        yield ConfigError("not_a_section", where, f"a section without a key {USE!r}", USE)
    yield from _faults_of_columns(check, where, others)
    yield from _faults_of_actions(check, where)


def _faults_of_columns(
    check: Check[Any], where: str, others: list[Check[Any]]
) -> Iterator[ConfigError]:
    taken = _TAKEN.union(*(of.in_issues for of in others))
    if check.is_issue is None and (
        check.set_of or check.others or (check.score and not check.group)
    ):
        expected = "is_issue, as rows have a score, a set or other columns"
        yield ConfigError("no_is_issue", where, expected, None)
    if check.is_issue is not None and check.score is None and check.set_of is None:
        yield ConfigError("no_score", where, "a score or a set as well as is_issue", None)
    for name in check.in_issues:
        if name in taken or check.in_issues.count(name) > 1:
            hint = "begin its columns with the check's name"
            yield ConfigError("column_taken", where, "columns of its own", name, hint)
    for column in check.others:
        if column.kind not in KINDS:
            expected, got = f"columns of {' | '.join(KINDS)}", f"{column.name}: {column.kind}"
            yield ConfigError("unknown_kind", where, expected, Shown(got))


def _faults_of_actions(check: Check[Any], where: str) -> Iterator[ConfigError]:
    known = (*LEAVE_OR_STAY, *check.rewriting)
    wrong = [action for action in check.actions if action not in known]
    if wrong or (check.is_issue is None and check.actions):
        expected = f"actions of {' | '.join(known)}" if check.is_issue else "no actions"
        yield ConfigError("unknown_action", where, expected, list(check.actions))
    elif check.actions and check.action not in check.actions:
        expected = f"one of its actions, {' | '.join(check.actions)}, as the default"
        yield ConfigError("unknown_action", where, expected, check.action)
    for option in check.options:
        if not option.name.startswith(f"{check.name}_"):
            expected = f"options of `clean` that begin with {check.name}_"
            yield ConfigError("name_taken", where, expected, option.name)


def _reserved() -> set[str]:
    from lakewinnow.config.sections import ChecksConfig, CleanConfig

    return {name for cls in (ChecksConfig, CleanConfig) for name in dir(cls)} | {
        of.name for cls in (ChecksConfig, CleanConfig) for of in fields(cls)
    }

"""Write what is made from the sections of the configuration and the figures of a run.

conf/base.yaml, conf/lakewinnow.schema.json; the schemas of summary.json and manifest.json; the
tables of the guide's pages configuration.md and workspace.md, below the line that says so.

    python conf/generate.py             # writes them
    python conf/generate.py --check     # names those that are out of date, and exits with 1
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import yaml

from lakewinnow import columns
from lakewinnow.config import schema as of_config
from lakewinnow.config.file import parse_config
from lakewinnow.config.schema import FILE, as_file, default_of, text_of, texts_of
from lakewinnow.config.sections import Config, FinetunedParams, LogisticParams
from lakewinnow.config.values import describe, section_of
from lakewinnow.figures.manifest import Manifest
from lakewinnow.figures.summary import Summary
from lakewinnow.lake import check_tables
from lakewinnow.pipeline.catalog import STAGES
from lakewinnow.plan.registry import own_checks
from lakewinnow.plan.stage import OPTIONAL, names_of
from lakewinnow.stages.decide import issues_schema
from lakewinnow.typed_json import Member, json_schema, key_of, members, to_json

ROOT = Path(__file__).parents[1]
GUIDE = "lib/lakewinnow/guide"
HEAD = """\
# yaml-language-server: $schema=lakewinnow.schema.json
# Every key, with its default. A configuration needs only input.path (or input.table), input.text,
# input.label and workspace; overlay it on nothing. Unknown keys are errors. A relative path starts
# at the current directory; {here} is the folder of the file it is written in. Any key can be
# overridden: --set crossval.folds=5.
"""
PLACEHOLDERS = {"input.text": "TEXT_COLUMN", "input.label": "LABEL_COLUMN", "workspace": "out/mine"}
PARAMS = "crossval.params"  # a mapping, since another classifier has other parameters
BELOW = "<!-- What follows is written by conf/generate.py. -->\n"
ABOUT_KEYS = """\
An optional key is left out where there is nothing to say. The JSON Schema of this file is
`figures/{0}.schema.json` in the folder of the package.
"""
FIGURES = {check.name: check.figures for check in own_checks() if check.figures}
COLUMN, WIDTH = 32, 118


def base_yaml() -> str:
    """Return conf/base.yaml."""
    return HEAD + "".join(_lines(Config, ""))


def _lines(section: type, inside: str) -> Iterator[str]:
    hints, texts, depth = get_type_hints(section), texts_of(section), inside.count(".")
    was_section = True
    for f in fields(section):
        key, hint = inside + key_of(f), hints[f.name]
        inner = LogisticParams if key == PARAMS else section_of(hint)
        default = PLACEHOLDERS.get(key, default_of(f))
        is_on = inner is not None and default is not None
        if depth == 0 and (is_on or was_section):
            yield "\n"
        was_section = is_on
        text = texts.get(f.name, "")
        if inner is not None and default is None:
            text = f"null | {{{', '.join(_in_flow(inner))}}}. {text}"
        text = _with_choices(hint, text) if inner is None else text
        value = "" if is_on and fields(inner) else " " + _scalar(default)
        yield from _commented(f"{'  ' * depth}{key_of(f)}:{value}", text)
        if is_on:
            yield from _lines(inner, f"{key}.")


def _in_flow(section: type) -> Iterator[str]:
    for f in fields(section):
        default = default_of(f)
        yield f"{key_of(f)}: {'COLUMN' if default is MISSING else _scalar(default)}"


def _scalar(value: Any) -> str:
    """Return a value as YAML on one line."""
    dumped = yaml.safe_dump(
        to_json(value), allow_unicode=True, width=10**6, default_flow_style=True, sort_keys=False
    )
    return dumped.splitlines()[0]


def _with_choices(hint: Any, text: str) -> str:
    """Return a key's text, after what it may be where the text does not say so."""
    choices = re.search(r"[\w-]+( \| [\w-]+)+", describe(hint))
    if choices is None or all(choice in text for choice in choices[0].split(" | ")):
        return text
    return f"{choices[0]}. {text}".removesuffix(". ")


def _commented(line: str, text: str) -> Iterator[str]:
    first, *rest = textwrap.wrap(text, WIDTH - COLUMN - 2, break_on_hyphens=False) or [""]
    yield f"{line:<{COLUMN - 2}}  # {first}\n" if first else f"{line}\n"
    for more in rest:
        yield f"{'':<{COLUMN}}#   {more}\n"


def _page(name: str, made: Iterable[str]) -> str:
    """Return a page of the guide: what is written by hand, then what is made."""
    page = (ROOT / GUIDE / name).read_text(encoding="utf-8")
    return page.partition(BELOW)[0] + BELOW + "".join(made)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _meanings_of_columns() -> Iterator[tuple[str, str]]:
    """Give the comments beside names of columns, in columns.py and where checks name theirs."""
    package = Path(columns.__file__).parent
    for path in (package / "columns.py", *sorted(package.glob("checks/*/__init__.py"))):
        text = path.read_text(encoding="utf-8")
        yield from re.findall(r'^[A-Z_]+: Final = "(\w+)"  # (.*)$', text, re.MULTILINE)


def _keys(cls: type, checks: Mapping[str, type]) -> Iterator[str]:
    """Give the keys of a file, those of `checks` among them, then those of each mapping in it."""
    found = [of for of in members(cls) if of.key != "checks"]
    found += [Member(name, of, "", is_required=False) for name, of in checks.items()]
    waiting, seen = [("", found)], {cls}
    while waiting:
        name, rows = waiting.pop(0)
        yield (f"\n### {name}\n" if name else "") + "\n| key | | |\n|---|---|---|\n"
        for of in rows:
            shown, inner = _kind(of.hint)
            if not of.is_required:
                shown = f"optional: {shown.removesuffix(' or null')}"
            about = text_of(inner).rstrip(".") if inner and not of.text else of.text
            if inner not in {None, *seen}:
                waiting.append((inner.__name__, members(inner)))
                seen.add(inner)
            yield _row(f"`{of.key}`", shown, about)


def _kind(hint: Any) -> tuple[str, type | None]:
    """Return what a value is, in words, and the dataclass that it is or has in it."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind(args[0])
    if is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})", hint
    if origin in (list, dict):
        shown, inner = _kind(args[-1])
        return f"{'a list of' if origin is list else 'by name,'} {shown}", inner
    if origin in (Union, UnionType):
        options = [_kind(option) for option in args]
        return " or ".join(shown for shown, _ in options), options[0][1]
    return ("anything" if hint is Any else describe(hint)), None


def _figures() -> Iterator[str]:
    """Give the keys of summary.json and manifest.json."""
    for name, cls, checks in (("summary", Summary, FIGURES), ("manifest", Manifest, {})):
        yield f"\n## The keys of {name}.json\n\n{ABOUT_KEYS.format(name)}"
        yield from _keys(cls, checks)


def _columns_and_stages() -> Iterator[str]:
    """Give what is declared of a workspace: the columns of issues/, and who writes what."""
    of = {column.name: check for check in own_checks() for column in check_tables.in_issues(check)}
    meanings = dict(_meanings_of_columns())
    yield "\n## The columns of issues/\n\n| column | type | of the check | |\n|---|---|---|---|\n"
    for column in issues_schema([check for check in own_checks() if check.is_issue]):
        check = f"`{of[column.name].name}`" if column.name in of else ""
        kind = f"`{column.dataType.simpleString()}`" + (", or null" if column.nullable else "")
        yield _row(f"`{column.name}`", kind, check, meanings.get(column.name, ""))
    needed = {"path": "x.csv", "text": "x", "label": "y"}
    config = parse_config({"input": needed, "workspace": "out"})
    yield "\n## The stages\n\n| stage | what it does | reads | writes |\n|---|---|---|---|\n"
    for stage in STAGES:
        names = (names_of(names, config) for names in (stage.reads, stage.writes))
        reads, writes = (" ".join(f"`{name.rstrip(OPTIONAL)}`" for name in of) for of in names)
        yield _row(f"`{stage.name}`", stage.purpose, reads, writes)


def _tables(section: type, inside: str) -> Iterator[str]:
    hints = get_type_hints(section, include_extras=True)
    texts = texts_of(section)
    rows, inner = [], []
    for f in fields(section):
        key, of = inside + key_of(f), section_of(hints[f.name])
        if of is not None:
            inner.append((key, of, default_of(f)))
            continue
        default = default_of(f)
        shown = "" if default is MISSING else f"`{_scalar(default)}`"
        may_be = describe(hints[f.name])
        rows.append(_row(f"`{key_of(f)}`", may_be, shown, texts.get(f.name, "")))
    if rows:
        yield "\n| key | may be | default | |\n|---|---|---|---|\n"
        yield from rows
    if inside == "crossval.":
        inner.append((PARAMS, LogisticParams, None))
        inner.append((f"{PARAMS} of finetune", FinetunedParams, None))
    for key, of, default in inner:
        off = " Off by default." if default is None and not key.startswith(PARAMS) else ""
        yield f"\n{'##' + '#' * key.count('.')} {key}\n\n{text_of(of)}{off}\n"
        yield from _tables(of, f"{key}.")


MADE = {
    "conf/base.yaml": base_yaml,
    f"conf/{FILE}": lambda: as_file(of_config.json_schema()),
    f"{GUIDE}/configuration.md": lambda: _page("configuration.md", _tables(Config, "")),
    f"{GUIDE}/workspace.md": lambda: _page("workspace.md", [*_columns_and_stages(), *_figures()]),
    "lib/lakewinnow/figures/summary.schema.json": lambda: as_file(Summary.json_schema(FIGURES)),
    "lib/lakewinnow/figures/manifest.schema.json": lambda: as_file(json_schema(Manifest)),
}


def main() -> None:
    """Write the files, or say which are out of date."""
    parser = argparse.ArgumentParser(description="Write what is made from dataclasses.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = []
    for name, made in MADE.items():
        path, text = ROOT / name, made()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not options.check:
                path.write_text(text, encoding="utf-8")
    if options.check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; `python conf/generate.py` writes them")


if __name__ == "__main__":
    main()

"""Write what is made from the sections of the configuration and the figures of a run.

conf/base.yaml, conf/lakewinnow.schema.json, and the tables of lib/lakewinnow/guide/configuration.md
below the line that says so; the schemas of summary.json and manifest.json.

    python conf/generate.py             # writes them
    python conf/generate.py --check     # names those that are out of date, and exits with 1
"""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from lakewinnow.config.schema import FILE, default_of, text_of, texts_of, written
from lakewinnow.config.sections import Config, LogisticParams
from lakewinnow.config.values import describe, section_of
from lakewinnow.figures.manifest import Manifest
from lakewinnow.figures.summary import Summary
from lakewinnow.plan.registry import own_checks
from lakewinnow.typed_json import json_schema, key_of, to_json

ROOT = Path(__file__).parents[1]
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
            text = f"null | {{{', '.join(_in_flow(inner))}}}: {text}"
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


def guide_page() -> str:
    """Return the guide's page: what is written by hand, then a table for each section."""
    page = (ROOT / "lib/lakewinnow/guide/configuration.md").read_text(encoding="utf-8")
    return page.partition(BELOW)[0] + BELOW + "".join(_tables(Config, ""))


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
        cells = (f"`{key_of(f)}`", may_be, shown, texts.get(f.name, ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    if rows:
        yield "\n| key | may be | default | |\n|---|---|---|---|\n"
        yield from rows
    if inside == "crossval.":
        inner.append((PARAMS, LogisticParams, None))
    for key, of, default in inner:
        off = " Off by default." if default is None and key != PARAMS else ""
        yield f"\n{'##' + '#' * key.count('.')} {key}\n\n{text_of(of)}{off}\n"
        yield from _tables(of, f"{key}.")


def _as_text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


MADE = {
    "conf/base.yaml": base_yaml,
    f"conf/{FILE}": written,
    "lib/lakewinnow/guide/configuration.md": guide_page,
    "lib/lakewinnow/figures/summary.schema.json": lambda: _as_text(
        Summary.json_schema({of.name: of.figures for of in own_checks() if of.figures})
    ),
    "lib/lakewinnow/figures/manifest.schema.json": lambda: _as_text(json_schema(Manifest)),
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

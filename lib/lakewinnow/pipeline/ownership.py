"""What a run may write over: what a run has written, and nothing else."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

from lakewinnow.config.combinations import named
from lakewinnow.config.file import dump
from lakewinnow.config.sections import Config
from lakewinnow.config.types import READ, WRITTEN
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import absolute
from lakewinnow.lake.inputs.earlier_run import is_workspace
from lakewinnow.lake.inputs.text_files.listing import matches
from lakewinnow.lake.lock import is_claim
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.graph import Graph
from lakewinnow.plan.stage import names_of

# What stages write beside the tables that they declare, in part only meanwhile.
RECORDS: Final = ("config.yaml", "manifest.json", "summary.json", "report.html")
FOLDERS: Final = (
    *(
        "_commits",
        "_staging",
        "_versions",
        "_observed",
        "embeddings",
        "to_embed",
        "batches",
        "opinion_store",
        "opinion_batches",
        "opinions_so_far",
        "refused",
    ),
    *("rejected", "holdout", "candidates", "drift_reference", "near_duplicates", "finetune"),
    *("crossval", "unlabelled"),
    *("exports", "clean", "review", "dropped", "quarantine"),
)
_RECORD: Final = "_commits/_workspace.json"
_STORES: Final = ("embeddings", "opinion_store")  # of what is paid for
_SHOWN: Final = 3
_URI: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/+")
_SAME_SCHEME: Final = {"s3a": "s3", "s3n": "s3", "wasbs": "abfss"}


def check_paths(config: Config, whole: Graph) -> None:
    """Find what is read inside what is written, and the other way round; no file is opened.

    Raises
    ------
    DataError : "would_be_overwritten"
    """
    DataError.raise_any(_overlaps(config, whole))


def check_workspace(lake: Lake, config: Config, graph: Graph) -> None:
    """Find what is in the workspace and not of a run, or in the way of a stage that is new to it.

    A folder of vectors alone is no one else's: they are paid for, and outlive the tables.

    Raises
    ------
    DataError : "output_exists"
    """
    if config.output.mode == "overwrite":
        return
    files = lake.files
    found = [of.base_name for of in files.entries()]
    names = [name for name in found if not name.startswith(".") and not is_claim(name)]
    expected = "a new folder, an empty one, or the workspace of an earlier run"
    if lake.is_ours():
        known = _begun(lake)
        new = _tables(graph, config) - known if known else set()
        names = [name for name in names if name in new]
        expected = "no files of others where a stage of this run writes"
    elif names and set(names) <= {*_STORES}:
        return
    if names or files.is_file():
        more = f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
        within = f", with {', '.join(names[:_SHOWN])}{more}" if names else ", a file"
        raise DataError(
            "output_exists",
            "workspace",
            expected,
            Shown(files.root + within),
            f"choose another folder: --set workspace={files.path('run')} (output.mode=overwrite"
            " writes there all the same, and over what is in the way)",
        )


def claim(lake: Lake, config: Config, graph: Graph) -> None:
    """Make the workspace a run's, whatever becomes of this one, and save the configuration."""
    known = _begun(lake)
    # A workspace of an earlier version of the package does not say which tables runs have begun.
    known = known or {of.base_name for of in lake.files.entries()}
    if not lake.is_ours() or _tables(graph, config) - known:
        begun = sorted(known | _tables(graph, config))
        lake.files.write_json(_RECORD, {"of": "lakewinnow", "begun": begun})
    lake.files.write_text("config.yaml", dump(config))


def _begun(lake: Lake) -> set[str]:
    """Return the names that runs have begun to write."""
    return set((lake.files.read_json(_RECORD) or {}).get("begun", ()))


def _tables(graph: Graph, config: Config) -> set[str]:
    """Return the names in the workspace of what stages say that they write."""
    tables = (table for of in graph.stages.values() for table in names_of(of.writes, config))
    return {table.partition("/")[0] for table in tables}


def _overlaps(config: Config, whole: Graph) -> Iterator[DataError]:
    written = [*_written(config, whole)]
    for key, path in named(READ, config):
        for where, name in written:
            if not _meet(_parts(path), _parts(name)):
                continue
            # A store may be shared with the run whose workspace is read.
            if where != "workspace" and is_workspace(path):
                continue
            hint = f"choose another {where}, --set {where}=…, or move what {key} names"
            got = Shown(f"{path}: a run writes {name}")
            yield DataError("would_be_overwritten", key, "a place that no run writes", got, hint)
            break
    stores = [of for of in written if of[0] != "workspace"]
    tables = [name for where, name in written if where == "workspace"]
    for where, store in stores:
        in_way = [name for name in tables if _meet(_parts(store), _parts(name))]
        if in_way and not in_way[0].endswith(tuple(f"/{name}" for name in _STORES)):
            hint = f"choose another folder, --set {where}=…; null is one in the workspace"
            got = Shown(f"{store}: a run writes {in_way[0]}")
            expected = "a folder that holds nothing else"
            yield DataError("would_be_overwritten", where, expected, got, hint)


def _written(config: Config, whole: Graph) -> Iterator[tuple[str, str]]:
    """Give all that a run may write, each with the key that says where."""
    for name in sorted({*_tables(whole, config), *FOLDERS, *RECORDS}):
        yield "workspace", f"{config.workspace.rstrip('/')}/{name}"
    yield from ((key, path) for key, path in named(WRITTEN, config) if key != "workspace")
    for i, candidate in enumerate(config.embedding.candidates):
        if candidate.get("store"):
            yield f"embedding.candidates[{i}].store", str(candidate["store"])


def _parts(path: str) -> list[str]:
    """Split a path at its folders, with links followed where that can be seen from here."""
    uri = _URI.match(path)
    scheme = uri[1].lower() if uri else "file"
    below = path[uri.end() :] if uri else path
    if scheme == "file":
        below = os.path.realpath(f"/{below}" if uri else absolute(path))
    return [_SAME_SCHEME.get(scheme, scheme), *filter(None, below.split("/"))]


def _meet(read: Sequence[str], written: Sequence[str]) -> bool:
    """Whether one path is the other, or is in it; what is read may be a pattern."""
    return all(of == name or matches(of, name) for of, name in zip(read, written, strict=False))

"""Outside `spark/` nothing uses what Spark Connect lacks, or changes the session's settings."""

import ast
from pathlib import Path

import pytest

import lakewinnow

PACKAGE = Path(lakewinnow.__file__).parent
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if PACKAGE / "spark" not in path.parents]
OFF_LIMITS = {
    "_jdf", "_jsparkSession", "_jvm", "_sc", "accumulator", "cache", "checkpoint",
    "clearCache", "localCheckpoint", "newSession", "persist", "rdd", "sparkContext",
}  # fmt: skip


def offences(source):
    """Names that a module uses and should not, and ``conf.set``."""
    attributes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    sets = [
        f"conf.{node.attr}"
        for node in attributes
        if node.attr in {"set", "unset"}
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "conf"
    ]
    return sorted({node.attr for node in attributes} & OFF_LIMITS) + sets


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_only_builds_plans(path):
    assert offences(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("frame.rdd.map(str)", ["rdd"]),
        ("spark.sparkContext.broadcast(x)", ["sparkContext"]),
        ("frame.cache().count()", ["cache"]),
        ("spark.conf.set('spark.sql.ansi.enabled', 'true')", ["conf.set"]),
        ("spark.conf.get('spark.master')", []),
        ("@functools.lru_cache\ndef f(): ...", []),
    ],
)
def test_what_is_off_limits_is_found(source, found):
    assert offences(source) == found

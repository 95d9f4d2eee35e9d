"""What is imported, and so paid for by every command, worker and engine that starts."""

import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lakewinnow

# Half a second to seconds each, with all that they import.
HEAVY = ("openai", "scipy", "sklearn", "model2vec", "torch")


@pytest.mark.parametrize(
    ("module", "left_out"),
    [
        ("lakewinnow.cli", (*HEAVY, "numpy", "pandas", "pyarrow", "pyspark", "rich", "yaml")),
        ("lakewinnow.pipeline", HEAVY),  # a run
        ("lakewinnow.stages.embed.steps", HEAVY),  # a worker's part of it
        ("lakewinnow.checks.text.stage", HEAVY),
    ],
)
def test_a_module_does_without_what_few_need(module, left_out):
    found = f"[name for name in {left_out!r} if name in sys.modules]"
    code = f"import sys, {module}; print({found})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_what_is_offered():
    said = pydoc.render_doc(lakewinnow, renderer=pydoc.plaintext).splitlines()
    listed = {line.split("(")[0].split(" = ")[0].strip() for line in said}
    functions = {"diff", "find_consensus", "find_label_issues", "find_multilabel_issues", "run"}
    assert functions <= listed
    assert set(lakewinnow.__all__) <= set(dir(lakewinnow))


def test_docstrings_name_modules_and_functions_that_there_are():
    library = Path(lakewinnow.__file__).parent
    sources = {path: path.read_text(encoding="utf-8") for path in library.rglob("*.py")}
    named = {
        (name, str(path.relative_to(library)))
        for path, text in sources.items()
        for name in re.findall(r"`((?:core|figures|frames|lake|spark|stages)(?:\.\w+)+)`", text)
    }
    assert len(named) > 20
    assert [(name, path) for name, path in sorted(named) if not is_there(library, name)] == []


def is_there(library, name):
    """Whether a dotted name is that of a folder, a module, or something in a module."""
    path = library.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    homes = (path.parent.with_suffix(".py"), path.parent / "__init__.py")
    texts = [home.read_text(encoding="utf-8") for home in homes if home.is_file()]
    return any(re.search(rf"^(def |class )?{path.name}\b", text, re.MULTILINE) for text in texts)


def test_benchmarks_import_what_there_is():
    """Most of what they measure are programs in strings, which no linter looks into."""
    library, benchmarks = Path(lakewinnow.__file__).parent, Path(__file__).parent / "bench"
    named = {
        (module, path.name)
        for path in benchmarks.glob("*.py")
        for module in re.findall(
            r"^from lakewinnow\.(\S+) import", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert len(named) > 20
    assert [(module, path) for module, path in sorted(named) if not is_there(library, module)] == []

"""What is imported, and so paid for by every command, worker and engine that starts."""

import pydoc
import subprocess
import sys

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

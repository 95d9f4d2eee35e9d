"""The README's and the guide's examples do what the pages say, in a fresh folder."""

import shutil
import subprocess
from pathlib import Path

import pytest

from builders import SAMPLE, SHARED
from lakewinnow.cli import exit_code_of

from .pages import PAGES, blocks, name_of

SHELL, PYTHON, OUTPUT = "sh", "python", "output"
QUICKSTART = ["run", "quickstart"]  # what jobs/quickstart does once lakewinnow is installed


def is_run(block, *, slow):
    return block.language in (SHELL, PYTHON) and (block.is_slow if slow else block.is_fast)


def pages(*, slow):
    """Return the pages that have an example which runs, in seconds or in minutes."""
    chosen = [path for path in PAGES if any(is_run(block, slow=slow) for block in blocks(path))]
    return pytest.mark.parametrize("path", chosen, ids=name_of)


@pytest.fixture(scope="module")
def after_the_quickstart(tmp_path_factory):
    """A folder in which somebody has run the quickstart, and has a table of their own."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "data").mkdir()
    shutil.copy(SAMPLE / "support.csv", folder / "data" / "tickets.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert exit_code_of([*QUICKSTART, "--quiet"]) == 0
    return folder


@pytest.fixture
def folder(after_the_quickstart, tmp_path, monkeypatch):
    """A copy of it for a page, in a terminal of 100 columns."""
    copy = tmp_path / "here"
    shutil.copytree(after_the_quickstart, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("COLUMNS", "100")
    return copy


@pages(slow=False)
@pytest.mark.sail_only  # as those run them who have no Java
@pytest.mark.usefixtures("spark", "folder")
def test_the_examples_of_a_page(path, capsys):
    follow(path, capsys, slow=False)


@pages(slow=True)
@pytest.mark.sail_only
@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_the_examples_of_a_page_that_take_minutes(path, folder, capsys):
    if any("sentence-transformers" in block.text or block.data for block in blocks(path)):
        pytest.importorskip("sentence_transformers")
    for data in {block.data for block in blocks(path, SHELL)} - {""}:
        if not (SHARED / "data" / data).is_dir():
            pytest.skip(f"needs {SHARED / 'data' / data}")
        (folder / "data" / data).symlink_to(SHARED / "data" / data)
    follow(path, capsys, slow=True)


def follow(path, capsys, *, slow):
    """Do what a page says from top to bottom, and compare what it prints with what it shows."""
    names, printed = {}, None
    for block in blocks(path):
        if block.file:
            Path(block.file).parent.mkdir(exist_ok=True)
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == OUTPUT and printed is not None:
            compare(block.text, printed)
        elif is_run(block, slow=slow):
            capsys.readouterr()
            if block.language == PYTHON:
                exec(compile(block.text, path.name, "exec"), names)  # noqa: S102
            else:
                for command in block.commands():
                    assert run(command) == 0, (command, capsys.readouterr())
            printed = capsys.readouterr().out
        elif block.language in (SHELL, PYTHON):
            printed = None


def run(command):
    """Run a command of the guide as a shell would, lakewinnow's in this process."""
    name, *arguments = command
    if command == ["bash", "jobs/quickstart"]:
        return exit_code_of(QUICKSTART)
    if name == "lakewinnow":
        return exit_code_of(arguments)
    if name in ("bash", "pip", ".", ".venv/bin/python"):  # sets things up; others test it
        return 0
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode


def compare(shown, printed):
    """Check that lines are printed as they are shown, in that order; `…` stands for others."""
    lines = iter([line.rstrip() for line in printed.splitlines()])
    for line in filter(None, map(str.rstrip, shown.splitlines())):
        assert line == "…" or line in lines, (
            f"{line!r} is not in, or not in this order in\n{printed}"
        )

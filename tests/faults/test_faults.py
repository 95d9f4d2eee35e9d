"""Whatever ends a run, the last one stays readable and the next one comes to the same.

`bash tests/run faults` does it everywhere; CI, in few places. All runs here are on Sail.
"""

import os
import resource
import signal
import subprocess
import time
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pytest

from faults.places import KILLED, LOST
from faults.victim import FILLER
from lakewinnow.lake.files import Files
from lakewinnow.spark.sail import embedded

pytestmark = pytest.mark.skipif(embedded.why_not() is not None, reason="Sail does not run here")
QUICK = [("publish", "inside")]
RESUMES = "the same command resumes"
DISK = "40m"


def places_to_kill(stages, *, all_of_them):
    if not all_of_them:
        return QUICK
    whens = ("before", "inside", "after")
    silent = {"report", "export"}  # which publish no table
    found = chain.from_iterable([(stage, when) for when in whens] for stage in stages)
    return [(stage, when) for stage, when in found if when != "inside" or stage not in silent]


@pytest.mark.parametrize("all_of_them", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_driver_that_is_killed_at_any_stage(before, tmp_path, counts, all_of_them):
    first, undisturbed = before
    place, last = first.copy_to(tmp_path / "place"), first.tables()
    for stage, when in places_to_kill(place.stages(), all_of_them=all_of_them):
        done = place.run("kill_driver", stage, when)
        assert done.returncode == KILLED, (stage, when, done.stderr)
        place.check_last_run(last)
        counts["driver killed"] += 1
    place.succeed()
    place.check_the_same(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill_server", "kill_worker", "starve_server"])
def test_a_process_of_the_engine_that_is_killed_or_without_memory_at_any_stage(
    before, tmp_path, counts, fault
):
    first, undisturbed = before
    place, last = first.copy_to(tmp_path / "place"), first.tables()
    for stage in place.stages():
        done = place.run(fault, stage, "before")
        assert done.returncode in (0, LOST), (stage, done.stderr)
        counts[fault.replace("_", " ")] += f"done: {fault}" in done.stderr
        if done.returncode == 0:  # what that worker did was done again, or it took no more memory
            place.check_the_same(undisturbed)
            place = first.copy_to(tmp_path / f"place after {stage}")
        else:
            assert RESUMES in done.stderr
            place.check_last_run(last)
    place.succeed()
    place.check_the_same(undisturbed)


@pytest.mark.slow
def test_a_workspace_that_lost_any_of_its_files(before, tmp_path, counts):
    place = before[1].copy_to(tmp_path / "place")
    files = Files(str(place.root))
    manifest = files.read_json("manifest.json")
    for name in manifest["tables"]:
        Path(place.root, name, files.listed(name)[0]).unlink()
        counts["table without a file"] += 1
        place.succeed()
        place.check_the_same(before[1])
    others = [file["path"] for file in manifest["files"]]
    for name in ("clean", "exports", "_commits/decide.json", "manifest.json", *others):
        files.delete(name)
        counts["folder or file lost"] += 1
        place.succeed()
        place.check_the_same(before[1])


@pytest.mark.slow
@pytest.mark.parametrize("most", [2_000, 10_000])
def test_a_file_that_takes_no_more(before, tmp_path, counts, most):
    first, undisturbed = before
    place, last = first.copy_to(tmp_path / "place"), first.tables()

    def limit():  # of a file; what is beyond it cannot be written, as with a quota
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    done = place.run(preexec_fn=limit)
    assert done.returncode not in (0, KILLED), done.stderr
    place.check_last_run(last)
    counts["file limited"] += 1
    place.succeed()
    place.check_the_same(undisturbed)


@contextmanager
def small_disk(folder):
    """Mount a disk of few bytes, where this user may."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    unmount = ["umount", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(unmount, check=True)


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_stage(before, tmp_path, counts):
    first, undisturbed = before
    with small_disk(tmp_path / "disk") as disk:
        place, last = first.copy_to(disk / "place"), first.tables()
        for stage in place.stages():
            done = place.run("fill_disk", stage, "before")
            assert done.returncode == LOST, (stage, done.stderr)
            assert "No space left on device" in done.stderr
            assert RESUMES in done.stderr
            place.check_last_run(last)
            counts["disk full"] += 1
            Path(place.root.parent, FILLER).unlink()
        place.succeed()
        place.check_the_same(undisturbed)


@pytest.mark.slow
def test_a_clock_that_is_turned_back_between_runs_and_in_one_and_another_zone(
    before, tmp_path, counts
):
    first, undisturbed = before
    place, tomorrow = first.copy_to(tmp_path / "place"), time.time() + 86_400
    for file in place.root.rglob("*"):  # as the last run has left them
        os.utime(file, (tomorrow, tomorrow))
    zones = [os.environ | {"TZ": zone} for zone in ("Pacific/Kiritimati", "Etc/GMT+12")]
    place.succeed("turn_back_clock", "crossval", "inside", env=zones[0])
    counts["clock turned back, another zone"] += 1
    place.check_the_same(undisturbed)
    commits = {file: file.stat().st_mtime_ns for file in place.root.glob("_commits/*")}
    place.succeed(env=zones[1])
    assert commits == {file: file.stat().st_mtime_ns for file in place.root.glob("_commits/*")}
    place.check_the_same(undisturbed)


@pytest.mark.slow
def test_an_input_file_that_is_cut_off(before, tmp_path, counts):
    first, undisturbed = before
    place, last = first.copy_to(tmp_path / "place"), first.tables()
    whole = first.input.read_bytes()
    try:
        for size in (0, 7, len(whole) // 2, len(whole) - 1):
            first.input.write_bytes(whole[:size])
            done = place.run()
            assert done.returncode in (3, 4, LOST), (size, done.stderr)
            place.check_last_run(last)
            counts["input cut off"] += 1
    finally:
        first.input.write_bytes(whole)
    place.succeed()
    place.check_the_same(undisturbed)

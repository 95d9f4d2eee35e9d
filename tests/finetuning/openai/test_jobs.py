"""Fine-tuning jobs through the real client: never begun twice, taken up after a kill."""

import io
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from embedding.openai.fault_server import KEY, Fault
from finetuning.openai.job_server import JobServer, Plan
from lakewinnow.embedding.base import FINE_TUNING
from lakewinnow.embedding.openai.access import Access
from lakewinnow.errors import ProviderError
from lakewinnow.finetuning.openai.jobs import Dataset, JobRun, JobState
from lakewinnow.finetuning.openai.service import JobService


class Killed(BaseException):
    """What a kill looks like from within."""


def lines_of(name):
    return "".join(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": f"{word} {i} {name}"},
                    {"role": "assistant", "content": word},
                ]
            }
        )
        + "\n"
        for i in range(10)
        for word in ("good", "bad")
    ).encode()


def dataset(name, seed=0, n_files=2):
    files = [lines_of(f"{name}{i}") for i in range(n_files)]
    digests = tuple(f"{name}-{seed}-{i}".ljust(40, "0") for i in range(n_files))
    return Dataset(name, seed, digests, [lambda of=of: io.BytesIO(of) for of in files])


class Job:
    """Runs whose records stay when one is killed."""

    def __init__(self, server):
        self.server, self.records, self.told = server, {}, []
        self.kill_before = self.kill_after = lambda _: False

    def save(self, state):
        if self.kill_before(state):
            raise Killed
        self.records[state.fingerprint] = json.dumps(asdict(state))
        if self.kill_after(state):
            raise Killed

    def start(self, *, max_retries=2, model="small"):
        service = JobService(
            Access(self.server.url, timeout_s=5.0, keys=FINE_TUNING),
            max_retries,
            sleep=lambda _: None,
        )
        return service, JobRun(
            service=service,
            base_model=model,
            epochs=3,
            suffix="tests",
            states=[JobState(**json.loads(record)) for record in self.records.values()],
            save=self.save,
            report_progress=lambda states, said: self.told.append(
                ([of.status for of in states], said)
            ),
            sleep=lambda _: None,
        )

    def run(self, *datasets, **options):
        service, jobs = self.start(**options)
        try:
            return jobs.run(datasets)
        finally:
            service.close()


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server():
    with JobServer() as started:
        yield started


@pytest.fixture
def job(server):
    return Job(server)


def test_each_dataset_has_its_job_and_a_second_run_begins_none(server, job):
    first = job.run(dataset("baseline"), dataset("fixed"), dataset("fixed", seed=1))
    assert [state.status for state in first] == ["succeeded"] * 3
    assert len({state.model for state in first}) == 3
    assert all(state.trained_tokens > 0 for state in first)
    assert [of["step"] for of in first[0].checkpoints] == [1, 2]
    assert first[0].checkpoints[1]["train_loss"] == 0.5
    [asked, *_] = server.jobs.values()
    assert asked["method"] == {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 3}},
    }
    assert (asked["seed"], asked["suffix"], asked["model"]) == (0, "tests", "small")
    assert server.files[asked["validation_file"]]["content"] == lines_of("baseline1")
    assert job.told[-1][0] == ["succeeded"] * 3
    assert job.told[0][1].startswith("looked at")
    assert job.run(dataset("baseline"), dataset("fixed"), dataset("fixed", seed=1)) == first
    assert (len(server.jobs), server.calls["POST jobs"]) == (3, 3)


def test_metrics_are_the_service_s(job):
    [state] = job.run(dataset("fixed"))
    service, jobs = job.start()
    assert jobs.metrics(state).splitlines()[0] == "step,train_loss,train_accuracy"
    service.close()


@pytest.mark.parametrize("keeps_metadata", [True, False])
@pytest.mark.parametrize("moment", ["before the upload", "after it was begun", "while it runs"])
def test_a_killed_run_is_taken_up(server, job, moment, keeps_metadata):
    server.keeps_metadata = keeps_metadata
    if moment == "before the upload":
        job.kill_after = lambda state: state.job_id is None
    elif moment == "after it was begun":
        job.kill_before = lambda state: state.job_id is not None
    else:
        job.kill_after = lambda state: state.status == "running"
    with pytest.raises(Killed):
        job.run(dataset("fixed"))
    job.kill_before = job.kill_after = lambda _: False
    [state] = job.run(dataset("fixed"))
    assert state.status == "succeeded"
    assert len(server.jobs) == 1
    uploads = [of["filename"] for of in server.files.values() if "metrics" not in of["filename"]]
    assert len(uploads) == len(set(uploads)) == 2


def test_an_answer_that_is_lost_begins_no_second_job(server, job):
    server.call_faults["POST jobs"] = [Fault(is_cut=True), Fault(is_closed=True)]
    [state] = job.run(dataset("fixed"))
    assert (state.status, len(server.jobs)) == ("succeeded", 1)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_brings_nothing_is_told_and_begun_anew_by_the_next_run(server, job, status):
    server.plans = [Plan(status), Plan()]
    bad, good = job.run(dataset("baseline"), dataset("fixed"))
    assert (bad.status, good.status, bad.model) == (status, "succeeded", None)
    assert bad.error == ("told to fail" if status == "failed" else "")
    again, same = job.run(dataset("baseline"), dataset("fixed"))
    assert (again.status, again.earlier, same) == ("succeeded", [bad.job_id], good)
    assert len(server.jobs) == 3


def test_equal_datasets_share_a_job(server, job):
    fixed = dataset("fixed")
    first, second = job.run(fixed, replace(fixed, name="clean"))
    assert first == second
    assert len(server.jobs) == 1


def test_another_model_is_another_job(server, job):
    job.run(dataset("fixed"))
    job.run(dataset("fixed"), model="other")
    assert [of["model"] for of in server.jobs.values()] == ["small", "other"]
    assert server.calls["POST files"] == 2  # the files are there


def test_jobs_under_way_are_cancelled(server, job):
    job.kill_after = lambda state: state.status == "running"
    with pytest.raises(Killed):
        job.run(dataset("fixed"))
    job.kill_after = lambda _: False
    service, jobs = job.start()
    assert (jobs.cancel(), jobs.cancel()) == (1, 0)
    service.close()
    assert [of["status"] for of in server.jobs.values()] == ["cancelled"]


def test_a_refused_key_is_fatal_and_not_shown(server, job, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0123456789")
    with pytest.raises(ProviderError) as caught:
        job.run(dataset("fixed"))
    assert (caught.value.code, caught.value.where) == ("key_refused", "finetune.provider")
    assert "0123456789" not in str(caught.value)
    assert not server.jobs


def test_a_job_that_the_service_forgot_is_begun_anew(server, job):
    job.kill_after = lambda state: state.status == "running"
    with pytest.raises(Killed):
        job.run(dataset("fixed"))
    job.kill_after = lambda _: False
    server.jobs.clear()
    [lost] = job.run(dataset("fixed"))
    assert lost.status == "lost"
    [state] = job.run(dataset("fixed"))
    assert state.status == "succeeded"


CLIENT = """
import json, sys, time
from dataclasses import asdict
from finetuning.openai.test_jobs import Job, dataset

class Kept(Job):
    def save(self, state):
        super().save(state)
        with open(sys.argv[2], "w") as file:
            json.dump(self.records, file)

server = type("Server", (), {"url": sys.argv[1]})
Kept(server).run(dataset("fixed"))
"""


def test_a_process_that_is_killed_while_a_job_is_begun_has_begun_one(server, job, tmp_path):
    server.call_faults["POST jobs"] = [Fault(seconds=20)]  # begun, but the answer does not come
    records = tmp_path / "records.json"
    command = [sys.executable, "-c", CLIENT, server.url, str(records)]
    path = f"{Path(__file__).parents[2]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}) as client:
        deadline = time.monotonic() + 60
        while not server.jobs and time.monotonic() < deadline and client.poll() is None:
            time.sleep(0.05)
        client.kill()
    assert len(server.jobs) == 1
    job.records = json.loads(records.read_text())
    assert [json.loads(of)["job_id"] for of in job.records.values()] == [None]
    [state] = job.run(dataset("fixed"))
    assert (state.status, len(server.jobs)) == ("succeeded", 1)

"""Fine-tuning jobs: one for a training set, a model and settings, however often a run is killed.

What is known of a job is a small record that the caller keeps. A run that was killed goes on with
the jobs it had begun: it polls those on record, and looks at the service for one that was begun but
not recorded before it begins another. Files are named by what is in them, and are uploaded once.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import InitVar, dataclass, field, replace
from typing import IO, Any, Final

from openai.types.fine_tuning import FineTuningJob

from lakewinnow.finetuning.openai.service import FINAL, JobService

SUCCEEDED: Final = "succeeded"
_BEGINNING: Final = "beginning"
_LOST: Final = "lost"  # the service no longer knows it


@dataclass(frozen=True)
class Dataset:
    """What a job learns from."""

    name: str  # of the training set
    seed: int  # of the job
    # of the training file, and of the one to validate with, if there is one
    sha256: tuple[str, ...]
    files: Sequence[Callable[[], IO[bytes]]]  # open each of them, anew each time

    def fingerprint(self, model: str, epochs: int, suffix: str) -> str:
        """Return what is the same for the same files, model and settings."""
        content = [self.sha256, model, epochs, self.seed, suffix]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class JobState:
    """The record of a job; `dataclasses.asdict` of it is JSON."""

    fingerprint: str  # of the files, the model and the settings; what the record is kept under
    # as people know it
    dataset: str
    seed: int
    job_id: str | None = None  # None before the service has said that it is begun
    status: str = _BEGINNING  # the service's word for it
    error: str = ""
    model: str | None = None  # that it has made
    trained_tokens: int | None = None  # billed
    result_file: str | None = None
    # step, model and metrics of each
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    # ids of jobs of the same fingerprint that failed or were cancelled
    earlier: list[str] = field(default_factory=list)

    @property
    def is_under_way(self) -> bool:
        """Whether the service has still to do with it."""
        return self.job_id is not None and self.status not in FINAL | {_LOST}

    @property
    def is_paid(self) -> bool:
        """Whether it has brought a model, or may yet."""
        return self.is_under_way or self.status == SUCCEEDED


@dataclass(kw_only=True)
class JobRun:
    """Has models fine-tuned on datasets."""

    service: JobService
    # of all jobs
    base_model: str
    epochs: int
    suffix: str
    states: InitVar[Iterable[JobState]] = ()  # what was saved by this run or an earlier one
    save: Callable[[JobState], object]  # keeps a record, in place of that of the same fingerprint
    # gets all jobs, and what the service said last, after each look
    report_progress: Callable[[Sequence[JobState], str], object] = lambda *_: None
    poll_s: float = 30.0  # between two looks
    sleep: Callable[[float], object] = time.sleep  # waits so many seconds

    def __post_init__(self, states: Iterable[JobState]) -> None:
        self._states = {state.fingerprint: state for state in states}

    def run(self, datasets: Sequence[Dataset]) -> list[JobState]:
        """Begin the jobs of all datasets that have none, and wait for all.

        A job that failed or was cancelled before this run is begun anew; one that does in this run
        is not, and does not keep the others.
        """
        begun = [self._begun(dataset).fingerprint for dataset in datasets]
        while any(self._states[of].is_under_way for of in begun):
            said = ""
            for of in begun:
                state = self._states[of]
                if state.is_under_way:
                    said = self.service.last_event(str(state.job_id)) or said
                    self._update(state, self.service.look(str(state.job_id)))
            states = [self._states[of] for of in begun]
            self.report_progress(states, said)
            if any(state.is_under_way for state in states):
                self.sleep(self.poll_s)
        return [self._states[of] for of in begun]

    def cancel(self) -> int:
        """Have all jobs that are under way cancelled; return how many."""
        under_way = [state for state in self._states.values() if state.is_under_way]
        for state in under_way:
            self._update(state, self.service.cancel(str(state.job_id)))
        return len(under_way)

    def metrics(self, state: JobState) -> str | None:
        """Return the metrics of each step, as CSV, where the service has them."""
        return None if state.result_file is None else self.service.result(state.result_file)

    def _begun(self, dataset: Dataset) -> JobState:
        fingerprint = dataset.fingerprint(self.base_model, self.epochs, self.suffix)
        state = self._states.get(fingerprint) or JobState(fingerprint, dataset.name, dataset.seed)
        if state.is_paid:
            return state
        earlier = [*state.earlier, state.job_id] if state.job_id else state.earlier
        state = self._save(JobState(fingerprint, dataset.name, dataset.seed, earlier=earlier))
        files = [
            self.service.upload(f"lakewinnow-{sha256[:32]}.jsonl", open_file)
            for sha256, open_file in zip(dataset.sha256, dataset.files, strict=True)
        ]
        known = {of.job_id for of in self._states.values() if of.job_id} | set(earlier)
        job = self.service.create(
            fingerprint,
            known,
            model=self.base_model,
            training_file=files[0],
            **({"validation_file": files[1]} if files[1:] else {}),
            method={
                "type": "supervised",
                "supervised": {"hyperparameters": {"n_epochs": self.epochs}},
            },
            seed=dataset.seed,
            suffix=self.suffix,
        )
        return self._update(state, job)

    def _update(self, state: JobState, job: FineTuningJob | None) -> JobState:
        if job is None:
            return self._save(replace(state, status=_LOST, error="the service no longer knows it"))
        state = replace(
            state,
            job_id=job.id,
            status=job.status,
            error=(job.error and job.error.message) or "",
            model=job.fine_tuned_model,
            trained_tokens=job.trained_tokens,
            result_file=next(iter(job.result_files or []), None),
        )
        if state.status == SUCCEEDED and not state.checkpoints:
            state = replace(state, checkpoints=self.service.checkpoints(job.id))
        return self._save(state)

    def _save(self, state: JobState) -> JobState:
        if self._states.get(state.fingerprint) != state:
            self.save(state)
            self._states[state.fingerprint] = state
        return state

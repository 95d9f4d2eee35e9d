"""What is asked of a service's files and fine-tuning jobs, tried again where that may help."""

import base64
import binascii
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import IO, Any, Final

from openai.types.fine_tuning import FineTuningJob

from lakewinnow.embedding.openai.access import Access, Calls

FINAL: Final = {"succeeded", "failed", "cancelled"}
_FINGERPRINT: Final = "lakewinnow"  # key of the metadata
_TRANSFER_TIMEOUT_S: Final = 900.0
_DEAD: Final = {"failed", "cancelled"}


@dataclass
class JobService:
    """The Fine-tuning API, as far as classifiers go."""

    access: Access
    max_retries: int  # of each call
    sleep: Callable[[float], object] = time.sleep  # waits so many seconds

    def __post_init__(self) -> None:
        self._client = self.access.client()
        refused = "finetune.model", "a job that the service accepts"
        self._calls = Calls(self.access, self.max_retries, refused, self.sleep)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def upload(self, name: str, open_file: Callable[[], IO[bytes]]) -> str:
        """Upload a file under a name that tells what is in it, once; return its id."""

        def send() -> str:
            with open_file() as file:
                file_id: str = self._files.create(file=(name, file), purpose="fine-tune").id
                return file_id

        return self._calls.persistently(lambda: self._uploaded(name) or send())

    def create(self, fingerprint: str, known: Collection[str], **asked: Any) -> FineTuningJob:
        """Begin a job, once: where an answer was lost, look for what it has begun.

        Parameters
        ----------
        known : ids of jobs that are not looked for
        asked : as the client takes it; `training_file` is named by what is in it
        """

        def begin() -> FineTuningJob:
            metadata = {_FINGERPRINT: fingerprint}
            return self._client.fine_tuning.jobs.create(metadata=metadata, **asked)

        def found() -> FineTuningJob | None:
            return self.find(fingerprint, known, **asked)

        return found() or self._calls.persistently(begin, instead=found)

    def find(self, fingerprint: str, known: Collection[str], **asked: Any) -> FineTuningJob | None:
        """Return a job of this fingerprint that may still bring a model, if there is one.

        A server that keeps no metadata is asked for one of the same file, model and settings.
        """

        def look() -> FineTuningJob | None:
            for job in self._client.fine_tuning.jobs.list(limit=100):  # all pages, latest first
                fingerprint_of_job = (job.metadata or {}).get(_FINGERPRINT)
                is_it = (
                    fingerprint_of_job == fingerprint
                    if fingerprint_of_job
                    else _is_as_asked(job, asked)
                )
                if is_it and job.id not in known and job.status not in _DEAD:
                    return job
            return None

        return self._calls.persistently(look)

    def look(self, job_id: str) -> FineTuningJob | None:
        """Return how far a job is; None where there is none any more."""
        return self._calls.unless_gone(lambda: self._client.fine_tuning.jobs.retrieve(job_id))

    def last_event(self, job_id: str) -> str:
        """Return what the service said last of a job."""
        events = self._calls.unless_gone(
            lambda: self._client.fine_tuning.jobs.list_events(job_id, limit=1).data
        )
        return events[0].message if events else ""

    def checkpoints(self, job_id: str) -> list[dict[str, Any]]:
        """Return the steps, metrics and names of the models that a job left on its way."""

        def ask() -> list[dict[str, Any]]:
            listed = self._client.fine_tuning.jobs.checkpoints.list(job_id)
            return [
                {
                    "step": of.step_number,
                    "model": of.fine_tuned_model_checkpoint,
                    **of.metrics.to_dict(exclude_none=True),
                }
                for of in listed
            ]

        return sorted(self._calls.unless_gone(ask) or [], key=lambda of: of["step"])

    def result(self, file_id: str) -> str | None:
        """Return a file of metrics, a line a step, as CSV."""
        content = self._calls.unless_gone(lambda: self._files.content(file_id).read())
        return None if content is None else _as_text(content)

    def cancel(self, job_id: str) -> FineTuningJob | None:
        """Have a job cancelled; what it has done by then may be paid for."""
        return self._calls.unless_gone(lambda: self._client.fine_tuning.jobs.cancel(job_id))

    @property
    def _files(self) -> Any:
        return self._client.with_options(timeout=_TRANSFER_TIMEOUT_S).files

    def _uploaded(self, name: str) -> str | None:
        for file in self._client.files.list(purpose="fine-tune"):
            if file.filename == name and getattr(file, "status", None) != "error":
                return file.id
        return None


def _is_as_asked(job: FineTuningJob, asked: dict[str, Any]) -> bool:
    n_epochs = asked["method"]["supervised"]["hyperparameters"]["n_epochs"]
    wanted = (asked["training_file"], asked["model"], n_epochs)
    is_it = (job.training_file, job.model, job.hyperparameters.n_epochs) == wanted
    return is_it and job.seed in (None, asked["seed"])


def _as_text(content: bytes) -> str:
    """Return what a file says: OpenAI's result files are CSV, or that in base64."""
    if b"," not in content:
        try:
            return base64.b64decode(content, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pass
    return content.decode("utf-8", "replace")

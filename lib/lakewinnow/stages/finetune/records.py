"""What is known of jobs and models, and what these have answered: JSON files of the workspace."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from lakewinnow.finetuning.openai.asking import Answer
from lakewinnow.finetuning.openai.jobs import JobState
from lakewinnow.lake.files import Files
from lakewinnow.stages.finetune.datasets import FOLDER

_JOBS: Final = f"{FOLDER}/jobs"
_ANSWERS: Final = f"{FOLDER}/answers"
_MODELS: Final = f"{FOLDER}/models"
_OF_NAME: Final = 32  # characters of a fingerprint


@dataclass(frozen=True)
class FineTuningRecords:
    """What a workspace keeps of fine-tuning, so that nothing is paid for twice."""

    files: Files

    def states(self) -> list[JobState]:
        """Return what is known of each job."""
        return [JobState(**self.files.read_json(name)) for name in self._names(_JOBS)]

    def save(self, state: JobState) -> None:
        """Keep what is known of a job, in place of what was."""
        self.files.write_json(f"{_JOBS}/{state.fingerprint[:_OF_NAME]}.json", asdict(state))

    def has_metrics(self, state: JobState) -> bool:
        """Whether what the service says of each step of the training is here."""
        return self.files.exists(_metrics(state))

    def save_metrics(self, state: JobState, metrics: str) -> None:
        """Keep what the service says of each step of the training, CSV."""
        self.files.write_text(_metrics(state), metrics)

    def answers(self, fingerprint: str) -> dict[str, Answer]:
        """Return the answers of a job's model, by row id."""
        names = self._names(f"{_ANSWERS}/{fingerprint[:_OF_NAME]}")
        answers = [Answer(**of) for name in names for of in self.files.read_json(name)]
        return {of.row_id: of for of in answers}

    def add_answers(self, fingerprint: str, answers: Sequence[Answer]) -> None:
        """Keep more answers of a job's model, in a file of their own."""
        folder = f"{_ANSWERS}/{fingerprint[:_OF_NAME]}"
        n_files = len(self.files.entries(folder))
        self.files.write_json(f"{folder}/{n_files:06}.json", [asdict(of) for of in answers])

    def has_model(self, name: str) -> bool:
        """Whether it is known what a model that was trained here answers."""
        return self.files.exists(f"{_MODELS}/{name}.json")

    def model(self, name: str) -> dict[str, Any] | None:
        """Return what a model that was trained here answers; None where there is none."""
        answer: dict[str, Any] | None = self.files.read_json(f"{_MODELS}/{name}.json")
        return answer

    def save_model(self, name: str, answer: dict[str, Any]) -> None:
        """Keep what a model that was trained here answers."""
        self.files.write_json(f"{_MODELS}/{name}.json", answer)

    def _names(self, folder: str) -> list[str]:
        names = [entry.base_name for entry in self.files.entries(folder)]
        return [
            f"{folder}/{name}"
            for name in names
            if name.endswith(".json") and not name.startswith("_")
        ]


def _metrics(state: JobState) -> str:
    return f"{FOLDER}/{state.dataset}/metrics-{state.seed}-{state.fingerprint[:8]}.csv"

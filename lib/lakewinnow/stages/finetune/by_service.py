"""Fine-tuning by a service: files, jobs, and questions about the holdout, from the driver.

What is known of each job is in the workspace's finetune/jobs/, a JSON file each, and what models
have answered is in finetune/answers/, so that a run that was killed, or comes again, goes on with
what there is: no job is begun twice, and no question is asked twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config import Config
from lakewinnow.core.comparison import Outcome
from lakewinnow.core.types import IntArray
from lakewinnow.core.variants import BASELINE, CEILING, CONTROL, DROPPED, FIXED, ORDER, SOFT
from lakewinnow.embedding.openai.access import Access
from lakewinnow.errors import ConfigError, ProviderError, Shown
from lakewinnow.finetuning.openai.asking import Answer, Questions, class_of
from lakewinnow.finetuning.openai.jobs import SUCCEEDED, Dataset, JobRun, JobState
from lakewinnow.finetuning.openai.prices import Prices
from lakewinnow.finetuning.openai.service import JobService
from lakewinnow.lake import finetuning, redaction, training_sets
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.files import Files
from lakewinnow.lake.training_sets import Sample
from lakewinnow.lake.workspace import Lake
from lakewinnow.stages.finetune import datasets
from lakewinnow.stages.finetune.datasets import FOLDER, Written
from lakewinnow.stages.finetune.tuned import Tuned, named_as_here

Tell = Callable[[int, int, str], object]  # done, of how many, and a note

_VARIANTS: Final = (BASELINE, DROPPED, FIXED)
_HARD: Final = tuple(name for name in ORDER if name not in (CONTROL, SOFT))
_JOBS: Final = f"{FOLDER}/jobs"
_ANSWERS: Final = f"{FOLDER}/answers"
_ANSWERS_A_FILE: Final = 50
_ANSWER_TOKENS: Final = 16  # of a class's name, at most, for the estimate


@dataclass(frozen=True)
class Estimate:
    """What fine-tuning would take; tokens are counted as more than a service bills.

    Attributes
    ----------
    model : to train further
    rows, tokens : of each training set, both of its files
    n_jobs, n_questions : that are still to begin, and to ask
    n_trained : tokens to train on, in all epochs
    n_prompt, n_answer : tokens of the questions, and of what is answered
    cost_usd : None where a price is not known
    """

    model: str
    rows: Mapping[str, int]
    tokens: Mapping[str, int]
    n_jobs: int
    n_questions: int
    n_trained: int
    n_prompt: int
    n_answer: int
    cost_usd: float | None


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is to be learnt from, and asked.

    Attributes
    ----------
    written : the files of each training set
    questions : row_id and text of the holdout, in the order of the ids
    row_ids, true_labels : of these
    n_prompt : tokens of all questions, about
    """

    classes: list[str]
    sample: Sample
    written: list[Written]
    questions: DataFrame
    row_ids: list[str]
    true_labels: IntArray
    n_prompt: int

    def jobs(self, files: Files, config: Config) -> list[tuple[str, Dataset]]:
        """Return the fingerprint and the dataset of each job."""
        own = config.finetune
        wanted = [of.of_seed(files, seed) for of in self.written for seed in range(own.seeds or 1)]
        return [(of.fingerprint(str(own.model), own.epochs, own.suffix), of) for of in wanted]


def check(config: Config) -> None:
    """Find what stands in the way, before anything runs.

    Raises
    ------
    ConfigError
    """
    if config.finetune.model is None:
        hint = "gpt-4.1-mini-2025-04-14, say, or a model of the server at finetune.base_url"
        raise ConfigError("missing_key", "finetune.model", "a model to train further", None, hint)
    soft = [name for name in config.finetune.variants or () if name not in _HARD]
    if soft:
        expected = f"some of {', '.join(_HARD)}, as a service takes one label a row"
        raise ConfigError("soft_labels", "finetune.variants", expected, Shown(", ".join(soft)))


def estimate(lake: Lake, trusted: Lake, config: Config, truth: DataFrame | None) -> Estimate:
    """Write the files, and say what the rest would take; asks nobody."""
    return _estimate(_plan(lake, trusted, config, truth), lake.files, config)


def run(lake: Lake, trusted: Lake, config: Config, truth: DataFrame | None, tell: Tell) -> Tuned:
    """Have a model trained on each training set, and ask it about the holdout.

    Raises
    ------
    ConfigError, ProviderError
    """
    own, files = config.finetune, lake.files
    plan = _plan(lake, trusted, config, truth)
    needed = _estimate(plan, files, config)
    _prices(config).check(needed.n_trained, needed.n_prompt, needed.n_answer)
    with named_as_here(), _job_run(config, files, _teller(tell)) as jobs:
        wanted = [dataset for _, dataset in plan.jobs(files, config)]
        states = jobs.run(wanted)
        _keep_metrics(jobs, states, files)
    for state in states:
        if state.status == SUCCEEDED:
            with named_as_here():
                _ask(state, plan, files, config, tell)
    # Equal training sets share a job, which is named for one of them
    done = [(of.name, state) for of, state in zip(wanted, states, strict=True)]
    return _tuned(plan, done, files, own.seeds or 1, config)


def cancel(config: Config, files: Files) -> int:
    """Have the jobs of a workspace that are under way cancelled; return how many there were.

    Raises
    ------
    ProviderError
    """
    with named_as_here(), _job_run(config, files) as jobs:
        return jobs.cancel()


def _plan(lake: Lake, trusted: Lake, config: Config, truth: DataFrame | None) -> _Plan:
    own = config.finetune
    classes = lake.details("ingest")["classes"]
    text = redaction.text(config.clean, config.checks).alias(c.TEXT)
    holdout = training_sets.test_rows(trusted, config)
    sample = training_sets.sample(lake, holdout, own.max_train_rows, len(classes))
    variants = [
        name
        for name in ORDER
        if name in (own.variants or _VARIANTS) and (name != CEILING or truth is not None)
    ]
    labelled = training_sets.training_rows(lake, sample.rows, truth, classes, config, variants)
    rows = labelled.join(accepted(lake).select(c.ROW_ID, text), c.ROW_ID)
    written = datasets.write(lake, rows, config, classes, variants)
    questions = holdout.join(accepted(trusted).select(c.ROW_ID, text), c.ROW_ID)
    questions = questions.select(c.ROW_ID, c.TEXT, c.LABEL).orderBy(c.ROW_ID)
    prompt = finetuning.line("openai-chat", F.col(c.TEXT), F.lit(""), config.export.system)
    n_tokens = finetuning.n_tokens(prompt).alias("n")
    asked = questions.select(c.ROW_ID, c.LABEL, n_tokens).toArrow().sort_by(c.ROW_ID)
    return _Plan(
        classes=classes,
        sample=sample,
        written=written,
        questions=questions.drop(c.LABEL),
        row_ids=asked.column(c.ROW_ID).to_pylist(),
        true_labels=asked.column(c.LABEL).to_numpy().astype(np.int64),
        n_prompt=int(asked.column("n").to_numpy().sum()),
    )


def _estimate(plan: _Plan, files: Files, config: Config) -> Estimate:
    paid = {state.fingerprint for state in _states(files) if state.is_paid}
    jobs = dict(plan.jobs(files, config))  # one for equal training sets
    trained = {of.variant: of.n_trained for of in plan.written}
    n_trained = sum(trained[of.name] for key, of in jobs.items() if key not in paid)
    n_trained *= config.finetune.epochs
    n_test = len(plan.true_labels)
    n_questions = sum(n_test - len(_answers(files, key)) for key in jobs)
    n_prompt = -(-plan.n_prompt * n_questions // n_test)
    n_answer = n_questions * _ANSWER_TOKENS
    return Estimate(
        model=str(config.finetune.model),
        rows={of.variant: of.n_rows for of in plan.written},
        tokens={of.variant: of.n_tokens for of in plan.written},
        n_jobs=len(jobs.keys() - paid),
        n_questions=n_questions,
        n_trained=n_trained,
        n_prompt=n_prompt,
        n_answer=n_answer,
        cost_usd=_prices(config).usd(n_trained, n_prompt, n_answer),
    )


def _access(config: Config) -> Access:
    return Access(config.finetune.base_url, timeout_s=config.finetune.timeout_s)


def _prices(config: Config) -> Prices:
    return Prices.of(config.finetune, is_openai=_access(config).is_openai)


@contextmanager
def _job_run(
    config: Config, files: Files, tell: Callable[[Sequence[JobState], str], object] | None = None
) -> Iterator[JobRun]:
    own = config.finetune
    service = JobService(_access(config), own.max_retries)

    def save(state: JobState) -> None:
        files.write_json(f"{_JOBS}/{state.fingerprint[:32]}.json", asdict(state))

    try:
        yield JobRun(
            service,
            str(own.model),
            own.epochs,
            own.suffix,
            states=_states(files),
            save=save,
            tell=tell or (lambda *_: None),
            poll_s=own.poll_s,
        )
    finally:
        service.close()


def _states(files: Files) -> list[JobState]:
    names = [entry.base_name for entry in files.entries(_JOBS)]
    return [
        JobState(**files.read_json(f"{_JOBS}/{name}"))
        for name in names
        if name.endswith(".json") and not name.startswith("_")
    ]


def _teller(tell: Tell) -> Callable[[Sequence[JobState], str], object]:
    def told(states: Sequence[JobState], said: str) -> None:
        n_done = sum(not state.is_under_way for state in states)
        statuses = Counter(state.status for state in states)
        counted = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
        tell(n_done, len(states), f"jobs: {counted}" + (f"; {said}" if said else ""))

    return told


def _keep_metrics(jobs: JobRun, states: Sequence[JobState], files: Files) -> None:
    """Keep what the service says of each step of the training."""
    for state in states:
        name = f"{FOLDER}/{state.dataset}/metrics-{state.seed}-{state.fingerprint[:8]}.csv"
        if not files.exists(name) and (metrics := jobs.metrics(state)) is not None:
            files.write_text(name, metrics)


def _ask(state: JobState, plan: _Plan, files: Files, config: Config, tell: Tell) -> None:
    """Ask a model what is not answered yet, and keep its answers, some in a file."""
    own, folder = config.finetune, f"{_ANSWERS}/{state.fingerprint[:32]}"
    answered = _answers(files, state.fingerprint)
    n_test = len(plan.true_labels)
    if len(answered) == n_test:
        return
    questions = Questions(
        _access(config),
        str(state.model),
        config.export.system,
        plan.classes,
        concurrency=own.concurrency,
        max_retries=own.max_retries,
    )

    def keep(answers: list[Answer]) -> None:
        n_files = len(files.entries(folder))
        files.write_json(f"{folder}/{n_files:06}.json", [asdict(of) for of in answers])
        answered.update((of.row_id, of) for of in answers)
        tell(len(answered), n_test, f"{state.dataset} is asked")

    left = (
        (row[c.ROW_ID], row[c.TEXT])
        for row in plan.questions.toLocalIterator()
        if row[c.ROW_ID] not in answered
    )
    questions.ask(left, keep, _ANSWERS_A_FILE)


def _answers(files: Files, fingerprint: str) -> dict[str, Answer]:
    """Return the answers of a model that are kept, by row id."""
    folder = f"{_ANSWERS}/{fingerprint[:32]}"
    names = [entry.base_name for entry in files.entries(folder)]
    kept = [
        Answer(**of)
        for name in names
        if not name.startswith("_")
        for of in files.read_json(f"{folder}/{name}")
    ]
    return {of.row_id: of for of in kept}


def _tuned(
    plan: _Plan,
    done: Sequence[tuple[str, JobState]],
    files: Files,
    n_seeds: int,
    config: Config,
) -> Tuned:
    prices = _prices(config)
    outcomes, jobs, unmapped = {}, [], {}
    for written in plan.written:
        predicted = []
        for state in (state for name, state in done if name == written.variant):
            answers = _answers(files, state.fingerprint)
            n_tokens = [
                sum(getattr(of, name) for of in answers.values())
                for name in ("n_prompt_tokens", "n_answer_tokens")
            ]
            cost = prices.usd(state.trained_tokens or 0, *n_tokens)
            jobs.append({**_shown(state, cost), "dataset": written.variant})
            if state.status == SUCCEEDED:
                said = [class_of(answers[of].text, plan.classes) for of in plan.row_ids]
                predicted.append(said)
        if len(predicted) == n_seeds:
            labels = np.array(predicted, np.int64)
            outcomes[written.variant] = Outcome(labels, np.full(labels.shape, np.nan))
            unmapped[written.variant] = int((labels == len(plan.classes)).sum())
    failed = [job for job in jobs if job["status"] != SUCCEEDED]
    if not outcomes:
        told = "; ".join(f"{job['dataset']}: {job['status']} {job['error']}" for job in failed)
        expected = "at least one training set whose jobs succeed"
        raise ProviderError("jobs_failed", "finetune.provider", expected, Shown(told))
    return Tuned(
        classes=plan.classes,
        true_labels=plan.true_labels,
        outcomes=outcomes,
        n_rows={of.variant: of.n_rows for of in plan.written},
        n_leaked=plan.sample.n_leaked,
        n_input=plan.sample.n_input,
        how={
            "provider": "openai",
            "model": str(config.finetune.model),
            "epochs": config.finetune.epochs,
            "seeds": n_seeds,
            "jobs": jobs,
            "unmapped": unmapped,
        },
        failed=[f"{job['dataset']}: {job['status']}: {job['error']}" for job in failed],
    )


def _shown(state: JobState, cost: float | None) -> dict[str, Any]:
    """Return what the summary says of a job."""
    return {
        "seed": state.seed,
        "job_id": state.job_id,
        "status": state.status,
        "error": state.error,
        "model": state.model,
        "trained_tokens": state.trained_tokens,
        "cost_usd": None if cost is None else round(cost, 6),
        "checkpoints": state.checkpoints,
    }

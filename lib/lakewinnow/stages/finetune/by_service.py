"""Fine-tuning by a service: files, jobs, and questions about the holdout, from the driver.

What is known of each job is in the workspace's finetune/jobs/, a JSON file each, and what models
have answered is in finetune/answers/, so that a run that was killed, or comes again, goes on with
what there is: no job is begun twice, and no question is asked twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.config.sections import Config
from lakewinnow.core.evaluation.paired_comparison import Outcome
from lakewinnow.core.evaluation.variants import CONTROL, ORDER, SOFT
from lakewinnow.errors import ConfigError, ProviderError, Shown
from lakewinnow.figures.models import Job, Recipe
from lakewinnow.finetuning.openai.asking import Answer, Questions
from lakewinnow.finetuning.openai.jobs import SUCCEEDED, JobRun, JobState
from lakewinnow.finetuning.openai.service import JobService
from lakewinnow.lake.files import Files
from lakewinnow.lake.workspace import Lake
from lakewinnow.opinions.llm.answers import class_of
from lakewinnow.stages.finetune.plan import (
    FineTuningEstimate,
    FineTuningPlan,
    access,
    plan_of,
    prices,
)
from lakewinnow.stages.finetune.records import FineTuningRecords
from lakewinnow.stages.finetune.tuned import ReportProgress, Tuned

_HARD: Final = tuple(name for name in ORDER if name not in (CONTROL, SOFT))
_ANSWERS_A_FILE: Final = 50


def check(config: Config) -> None:
    """Find what stands in the way, before anything runs."""
    if config.finetune.model is None:
        hint = "for example gpt-4.1-mini-2025-04-14, or a model of the server at finetune.base_url"
        raise ConfigError("missing_key", "finetune.model", "a model to train further", None, hint)
    soft = [name for name in config.finetune.variants or () if name not in _HARD]
    if soft:
        expected = f"some of {', '.join(_HARD)}, as a service takes one label a row"
        raise ConfigError("soft_labels", "finetune.variants", expected, Shown(", ".join(soft)))


def estimate(
    lake: Lake, trusted: Lake, config: Config, truth: DataFrame | None
) -> FineTuningEstimate:
    """Write the files, and say what the rest would take; asks nobody."""
    return plan_of(lake, trusted, config, truth).estimate(lake.files, config)


def run(
    lake: Lake,
    trusted: Lake,
    config: Config,
    truth: DataFrame | None,
    report_progress: ReportProgress,
) -> Tuned:
    """Have a model trained on each training set, and ask it about the holdout."""
    files, records = lake.files, FineTuningRecords(lake.files)
    plan = plan_of(lake, trusted, config, truth)
    needed = plan.estimate(files, config)
    prices(config).check(needed.n_trained, needed.n_prompt, needed.n_answer)
    with _job_run(config, files, _report_jobs(report_progress)) as jobs:
        wanted = [dataset for _, dataset in plan.jobs(files, config)]
        states = jobs.run(wanted)
        for state in states:
            if not records.has_metrics(state) and (metrics := jobs.metrics(state)) is not None:
                records.save_metrics(state, metrics)
    for state in states:
        if state.status == SUCCEEDED:
            _ask(state, plan, records, config, report_progress)
    # Equal training sets share a job, which is named for one of them
    done = [(of.name, state) for of, state in zip(wanted, states, strict=True)]
    return _tuned(plan, done, records, config)


def cancel(config: Config, files: Files) -> int:
    """Have the jobs of a workspace that are under way cancelled; return how many there were."""
    with _job_run(config, files) as jobs:
        return jobs.cancel()


@contextmanager
def _job_run(
    config: Config,
    files: Files,
    report_progress: Callable[[Sequence[JobState], str], object] | None = None,
) -> Iterator[JobRun]:
    own = config.finetune
    service = JobService(access(config), own.max_retries)
    records = FineTuningRecords(files)
    try:
        yield JobRun(
            service=service,
            base_model=str(own.model),
            epochs=own.epochs,
            suffix=own.suffix,
            states=records.states(),
            save=records.save,
            report_progress=report_progress or (lambda *_: None),
            poll_s=own.poll_s,
        )
    finally:
        service.close()


def _report_jobs(report_progress: ReportProgress) -> Callable[[Sequence[JobState], str], object]:
    def report(states: Sequence[JobState], last_event: str) -> None:
        n_done = sum(not state.is_under_way for state in states)
        statuses = Counter(state.status for state in states)
        counted = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
        report_progress(
            n_done, len(states), f"jobs: {counted}" + (f"; {last_event}" if last_event else "")
        )

    return report


def _ask(
    state: JobState,
    plan: FineTuningPlan,
    records: FineTuningRecords,
    config: Config,
    report_progress: ReportProgress,
) -> None:
    """Ask a model what is not answered yet, and keep its answers, some in a file."""
    own, answered = config.finetune, records.answers(state.fingerprint)
    n_test = len(plan.true_labels)
    if len(answered) == n_test:
        return
    questions = Questions(
        access=access(config),
        model=str(state.model),
        system=config.export.system,
        classes=plan.classes,
        concurrency=own.concurrency,
        max_retries=own.max_retries,
    )

    def keep(answers: list[Answer]) -> None:
        records.add_answers(state.fingerprint, answers)
        answered.update((of.row_id, of) for of in answers)
        report_progress(len(answered), n_test, f"{state.dataset} is asked")

    left = (
        (row[c.ROW_ID], row[c.TEXT])
        for row in plan.questions.toLocalIterator()
        if row[c.ROW_ID] not in answered
    )
    questions.ask(left, keep, _ANSWERS_A_FILE)


def _tuned(
    plan: FineTuningPlan,
    done: Sequence[tuple[str, JobState]],
    records: FineTuningRecords,
    config: Config,
) -> Tuned:
    n_seeds = config.finetune.seeds or 1
    rates = prices(config)
    outcomes, jobs, unmapped = {}, [], {}
    for written in plan.written:
        predicted = []
        for state in (state for name, state in done if name == written.variant):
            answers = records.answers(state.fingerprint)
            n_tokens = [
                sum(getattr(of, name) for of in answers.values())
                for name in ("n_prompt_tokens", "n_answer_tokens")
            ]
            cost = rates.usd(state.trained_tokens or 0, *n_tokens)
            jobs.append(_job(state, cost, written.variant))
            if state.status == SUCCEEDED:
                last_event = [class_of(answers[of].text, plan.classes) for of in plan.row_ids]
                predicted.append(last_event)
        if len(predicted) == n_seeds:
            labels = np.array(predicted, np.int64)
            outcomes[written.variant] = Outcome(labels, np.full(labels.shape, np.nan))
            unmapped[written.variant] = int((labels == len(plan.classes)).sum())
    failed = [job for job in jobs if job.status != SUCCEEDED]
    if not outcomes:
        reasons = "; ".join(f"{job.dataset}: {job.status} {job.error}" for job in failed)
        expected = "at least one training set whose jobs succeed"
        raise ProviderError("jobs_failed", "finetune.provider", expected, Shown(reasons))
    return Tuned(
        classes=plan.classes,
        true_labels=plan.true_labels,
        outcomes=outcomes,
        n_rows={of.variant: of.n_rows for of in plan.written},
        n_leaked=plan.sample.n_leaked,
        n_input=plan.sample.n_input,
        recipe=Recipe(
            provider="openai",
            model=str(config.finetune.model),
            epochs=config.finetune.epochs,
            seeds=n_seeds,
            jobs=jobs,
            unmapped=unmapped,
        ),
        failed=[f"{job.dataset}: {job.status}: {job.error}" for job in failed],
    )


def _job(state: JobState, cost: float | None, dataset: str) -> Job:
    return Job(
        seed=state.seed,
        job_id=state.job_id,
        status=state.status,
        error=state.error,
        model=state.model,
        trained_tokens=state.trained_tokens,
        cost_usd=None if cost is None else round(cost, 6),
        checkpoints=state.checkpoints,
        dataset=dataset,
    )

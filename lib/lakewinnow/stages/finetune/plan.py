"""What a service is to learn from, what it is to be asked, and what that would cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import Config
from lakewinnow.core.evaluation.variants import BASELINE, CEILING, DROPPED, FIXED, ORDER
from lakewinnow.core.types import IntArray
from lakewinnow.embedding.base import FINE_TUNING
from lakewinnow.embedding.openai.access import Access
from lakewinnow.figures.rows import Ingested
from lakewinnow.finetuning.openai.jobs import Dataset
from lakewinnow.finetuning.openai.prices import Prices
from lakewinnow.lake import redaction
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.files import Files
from lakewinnow.lake.training import examples as finetuning
from lakewinnow.lake.training import training_sets
from lakewinnow.lake.training.training_sets import TrainingSample
from lakewinnow.lake.workspace import Lake
from lakewinnow.stages.finetune import datasets
from lakewinnow.stages.finetune.datasets import Written
from lakewinnow.stages.finetune.records import FineTuningRecords

_VARIANTS: Final = (BASELINE, DROPPED, FIXED)
_ANSWER_TOKENS: Final = 16  # of a class's name, at most, for the estimate


@dataclass(frozen=True)
class FineTuningEstimate:
    """What fine-tuning would take; tokens are counted as more than a service bills."""

    model: str  # to train further
    # of each training set, both of its files
    rows: Mapping[str, int]
    tokens: Mapping[str, int]
    # that are still to begin, and to ask
    n_jobs: int
    n_questions: int
    n_trained: int  # tokens to train on, in all epochs
    # tokens of the questions, and of what is answered
    n_prompt: int
    n_answer: int
    cost_usd: float | None  # None where a price is not known


@dataclass(frozen=True, eq=False)
class FineTuningPlan:
    """What is to be learnt from, and asked."""

    classes: list[str]
    sample: TrainingSample
    written: list[Written]  # the files of each training set
    questions: DataFrame  # row_id and text of the holdout, in the order of the ids
    # of these
    row_ids: list[str]
    true_labels: IntArray
    n_prompt: int  # tokens of all questions, about

    def jobs(self, files: Files, config: Config) -> list[tuple[str, Dataset]]:
        """Return the fingerprint and the dataset of each job."""
        own = config.finetune
        wanted = [of.of_seed(files, seed) for of in self.written for seed in range(own.seeds or 1)]
        return [(of.fingerprint(str(own.model), own.epochs, own.suffix), of) for of in wanted]

    def estimate(self, files: Files, config: Config) -> FineTuningEstimate:
        """Say what is left to train and to ask would take; asks nobody."""
        records = FineTuningRecords(files)
        paid = {state.fingerprint for state in records.states() if state.is_paid}
        jobs = dict(self.jobs(files, config))  # one for equal training sets
        trained = {of.variant: of.n_trained for of in self.written}
        n_trained = sum(trained[of.name] for key, of in jobs.items() if key not in paid)
        n_trained *= config.finetune.epochs
        n_test = len(self.true_labels)
        n_questions = sum(n_test - len(records.answers(key)) for key in jobs)
        n_prompt = -(-self.n_prompt * n_questions // n_test)
        n_answer = n_questions * _ANSWER_TOKENS
        return FineTuningEstimate(
            model=str(config.finetune.model),
            rows={of.variant: of.n_rows for of in self.written},
            tokens={of.variant: of.n_tokens for of in self.written},
            n_jobs=len(jobs.keys() - paid),
            n_questions=n_questions,
            n_trained=n_trained,
            n_prompt=n_prompt,
            n_answer=n_answer,
            cost_usd=prices(config).usd(n_trained, n_prompt, n_answer),
        )


def plan_of(lake: Lake, trusted: Lake, config: Config, truth: DataFrame | None) -> FineTuningPlan:
    """Write the files to learn from, and find out what is to be asked."""
    own = config.finetune
    classes = lake.figures("ingest", Ingested).classes
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
    return FineTuningPlan(
        classes=classes,
        sample=sample,
        written=written,
        questions=questions.drop(c.LABEL),
        row_ids=asked.column(c.ROW_ID).to_pylist(),
        true_labels=asked.column(c.LABEL).to_numpy().astype(np.int64),
        n_prompt=int(asked.column("n").to_numpy().sum()),
    )


def access(config: Config) -> Access:
    """Return how to reach the service."""
    own = config.finetune
    return Access(own.base_url, timeout_s=own.timeout_s, keys=FINE_TUNING)


def prices(config: Config) -> Prices:
    """Return what the service takes for its work."""
    return Prices.of(config.finetune, is_openai=access(config).is_openai)

"""The estimate of fine-tuning on a terminal."""

from dataclasses import replace

from lakewinnow.stages.finetune import Estimate
from lakewinnow.terminal.finetuning import print_estimate

ESTIMATE = Estimate(
    model="small",
    rows={"baseline": 1916, "fixed": 1916},
    tokens={"baseline": 120_000, "fixed": 121_000},
    n_jobs=2,
    n_questions=960,
    n_trained=650_000,
    n_prompt=30_000,
    n_answer=15_360,
    cost_usd=1.25,
)


def test_what_it_would_take_is_told(capsys):
    print_estimate(ESTIMATE)
    said = capsys.readouterr().out
    assert "To fine-tune small" in said
    assert "baseline       1,916  120,000" in said
    assert "2 jobs to begin, which train on 650,000 tokens in all" in said
    assert "960 questions about the holdout, 30,000 tokens, and 15,360 of answers" in said
    assert "USD: 1.2500 at most, about" in said


def test_an_unknown_price_is_said_to_be_one(capsys):
    print_estimate(replace(ESTIMATE, cost_usd=None))
    assert "USD: unknown; set finetune.price_per_million_tokens" in capsys.readouterr().out

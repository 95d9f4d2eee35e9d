"""Questions to a fine-tuned model: which class an answer is, what is kept, what is tried again."""

import pytest

from embedding.openai.fault_server import KEY, Fault
from finetuning.openai.job_server import JobServer
from lakewinnow.embedding.base import FINE_TUNING
from lakewinnow.embedding.openai.access import Access
from lakewinnow.errors import ProviderError
from lakewinnow.finetuning.openai.asking import Questions

CLASSES = ["polite", "Not polite", "a.b", "A.B", "Ünklar"]


class Fixed:
    """A model that knows one word."""

    def predict(self, _):
        return ["polite"]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with JobServer() as started:
        started.models["ft:small"] = Fixed()
        yield started


def asked(server, rows, model="ft:small", **options):
    kept = []
    options = {"concurrency": 4, "max_retries": 2, **options}
    questions = Questions(
        access=Access(server.url, timeout_s=5.0, keys=FINE_TUNING),
        model=model,
        system="be brief",
        classes=CLASSES,
        **options,
    )
    try:
        questions.ask(iter(rows), kept.append, 3)
    except ProviderError as error:
        return kept, error
    return kept, None


ROWS = [(f"row {i}", f"text {i}") for i in range(8)]


def test_every_row_is_asked_once_and_answers_are_kept_some_at_a_time(server):
    kept, error = asked(server, ROWS)
    assert error is None
    assert [len(some) for some in kept] == [3, 3, 2]
    answers = [answer for some in kept for answer in some]
    assert [answer.row_id for answer in answers] == [row_id for row_id, _ in ROWS]
    assert {answer.text for answer in answers} == {"polite"}
    assert (answers[0].n_prompt_tokens, answers[0].n_answer_tokens) == (10, 2)
    assert server.asked == {("ft:small", text): 1 for _, text in ROWS}


def test_what_may_go_well_is_tried_again(server):
    busy = Fault(429, headers={"retry-after-ms": "1"})
    server.call_faults["POST completions"] = [busy, Fault(500, headers={"retry-after-ms": "1"})]
    kept, error = asked(server, ROWS[:3], concurrency=1)
    assert error is None
    assert len(kept[0]) == 3


def test_what_came_before_an_error_is_kept(server):
    refusal = Fault(402, "insufficient_quota")
    server.call_faults["POST completions"] = [Fault(), Fault(), Fault(), Fault(), refusal]
    kept, error = asked(server, ROWS, concurrency=1)
    assert error.code == "quota_exhausted"
    assert [len(some) for some in kept] == [3, 2]


def test_a_model_that_is_gone_is_an_error(server):
    kept, error = asked(server, ROWS, model="ft:gone")
    assert (kept, error.code, error.where) == ([], "model_not_found", "finetune.model")
    assert "finetune.base_url" in error.hint
    assert KEY not in str(error)

"""Batches through the real client: never begun twice, taken up after a kill, paid for once."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from embedding.openai.fault_batches import Plan
from embedding.openai.fault_server import (
    DIMENSIONS,
    KEY,
    Fault,
    FaultServer,
    n_tokens,
    not_a_number,
    of_dimensions,
    vector_of,
)
from lakewinnow.config.sections import EmbeddingConfig, OpenAIConfig
from lakewinnow.embedding.openai import batch_file
from lakewinnow.embedding.openai.batch_file import Line
from lakewinnow.embedding.openai.batches import BatchRun, BatchState
from lakewinnow.embedding.openai.embedder import OpenAIEmbedder
from lakewinnow.embedding.requests.engine import RefusedText, Share
from lakewinnow.errors import ProviderError

TEXTS = [f"message {i}: {'word ' * (i % 9)}" for i in range(40)]
ALL = list(range(len(TEXTS)))


class Killed(BaseException):
    """What a kill looks like from within."""


class Job:
    """Runs of one job, whose records stay when a run is killed.

    Attributes
    ----------
    kill_at : Callable
        Whether to be killed when a record is about to be kept, or was just kept.
    """

    def __init__(self, server):
        self.server, self.records, self.sleeps = server, {}, []
        self.kill_before = self.kill_after = lambda _: False
        self.kill_in_sleep = None

    def save(self, state):
        if self.kill_before(state):
            raise Killed
        self.records[state.file_id] = json.dumps(asdict(state))
        if self.kill_after(state):
            raise Killed

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        if self.kill_in_sleep == len(self.sleeps):
            raise Killed

    def start(self, *, model="some-model", dimensions=DIMENSIONS, **options):
        """Return a run that knows what is on record."""
        service = OpenAIConfig(base_url=self.server.url, mode="batch", timeout_s=5.0)
        config = EmbeddingConfig(model=model, dimensions=dimensions, openai=service)
        states = [BatchState(**json.loads(record)) for record in self.records.values()]
        return BatchRun(
            embedder=OpenAIEmbedder(config),
            states=states,
            save=self.save,
            sleep=self.sleep,
            poll_s=30,
            **options,
        )

    def run(self, texts=TEXTS, chunk="chunk 0", **options):
        """Run to the end; return the run, vectors and refusals by position."""
        batches = self.start(**options)
        return batches, *outcome(batches, texts, chunk)


def outcome(batches, texts=TEXTS, chunk="chunk 0"):
    vectors, refused = {}, {}
    for made in batches.run(chunk, texts):
        positions = [made.position] if isinstance(made, RefusedText) else made.positions.tolist()
        assert not set(positions) & (vectors.keys() | refused.keys())
        if isinstance(made, RefusedText):
            refused[made.position] = made
        else:
            assert made.vectors.dtype == np.float32
            vectors |= dict(zip(positions, made.vectors, strict=True))
    for position, vector in vectors.items():
        if texts[position] in TEXTS:
            np.testing.assert_allclose(vector, vector_of(texts[position], len(vector)), atol=1e-6)
    return vectors, refused


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server():
    with FaultServer() as started:
        yield started


@pytest.fixture
def job(server):
    return Job(server)


def assert_paid_once(server, texts=TEXTS):
    assert server.paid == dict.fromkeys(texts, 1)


def estimates(texts):
    """Return the tokens of texts, as the package counts where it does not know the model."""
    return [-(-len(text.encode()) // 3) for text in texts]


def sent(server):
    """Return the texts of each batch, in the order begun."""
    return [[r["body"]["input"][0] for r in b["_requests"]] for b in server.batches.values()]


def test_a_chunk_is_a_batch(server, job):
    batches, vectors, refused = job.run()
    assert (sorted(vectors), refused, batches.stopped) == (ALL, {}, None)
    assert_paid_once(server)
    assert batches.n_requests == len(TEXTS)
    assert batches.n_tokens == sum(map(n_tokens, TEXTS))
    assert job.sleeps == [30, 30]
    assert server.calls == {
        "GET batches": 1,
        "POST files": 1,
        "POST batches": 1,
        "GET batch": 3,
        "GET content": 1,
    }
    [batch] = server.batches.values()
    assert batch["_requests"][3] == {
        "custom_id": batch_file.line_id(TEXTS[3]),
        "method": "POST",
        "url": "/v1/embeddings",
        "body": {"model": "some-model", "encoding_format": "base64", "input": [TEXTS[3]]},
    }
    [record] = map(json.loads, job.records.values())
    assert (record["status"], record["n_completed"]) == ("completed", len(TEXTS))


def test_a_chunk_that_is_done_is_read_again_for_nothing(server, job):
    job.run()
    _, vectors, _ = job.run(TEXTS[5:])
    assert sorted(vectors) == ALL[:-5]
    assert_paid_once(server)
    assert len(server.batches) == 1


KILLS = {
    "before the upload is on record": ("kill_before", lambda state: state.batch_id is None),
    "between upload and beginning": ("kill_after", lambda state: state.batch_id is None),
    "between beginning and record": ("kill_before", lambda state: state.batch_id is not None),
    "after the record": ("kill_after", lambda state: state.batch_id is not None),
    "while polling": ("kill_in_sleep", 2),
    "when done, before it is on record": ("kill_before", lambda s: s.status == "completed"),
    "when done": ("kill_after", lambda state: state.status == "completed"),
}


@pytest.mark.parametrize("kill", KILLS)
def test_a_killed_run_goes_on_and_begins_nothing_twice(server, job, kill):
    name, value = KILLS[kill]
    spared = getattr(job, name)
    setattr(job, name, value)
    with pytest.raises(Killed):
        job.run()
    setattr(job, name, spared)
    job.sleeps.clear()
    _, vectors, _ = job.run()
    assert sorted(vectors) == ALL
    assert_paid_once(server)
    assert len(server.batches) == 1
    uploads = 2 if kill == "before the upload is on record" else 1
    assert server.calls["POST files"] == uploads


def test_a_batch_is_found_when_all_records_are_lost(server, job):
    server.plans = [Plan(), Plan(), Plan(), Plan()]
    for i in range(3):
        job.run([f"other {i}"], chunk=f"other {i}")
    job.kill_in_sleep = len(job.sleeps) + 1
    with pytest.raises(Killed):
        job.run()
    job.records.clear()
    job.kill_in_sleep = None
    _, vectors, _ = job.run(TEXTS[::-1])
    assert (sorted(vectors), len(server.batches)) == (ALL, 4)
    assert_paid_once(server, [*TEXTS, "other 0", "other 1", "other 2"])


def test_a_batch_that_is_not_on_record_is_found_though_others_have_left_texts_over(
    server, job, monkeypatch
):
    monkeypatch.setattr(batch_file, "MAX_LINES", 20)
    server.plans = [Plan("expired", skips=lambda text: text in TEXTS[:5])]
    job.kill_before = lambda state: state.batch_id is not None and len(server.batches) == 2
    with pytest.raises(Killed):
        job.run()
    job.kill_before = lambda _: False
    _, vectors, _ = job.run()
    assert sorted(vectors) == ALL
    assert sent(server) == [TEXTS[:20], TEXTS[20:], TEXTS[:5]]
    assert_paid_once(server)


def test_only_what_may_still_have_answers_is_looked_through(server, job):
    for i in range(6):
        job.run([f"other {i}"], chunk=f"other {i}")
    for batch in server.batches.values():
        batch["created_at"] -= 40 * 86_400
    server.calls.clear()
    batches = job.start()
    for i in range(3):
        batches.submit(f"chunk {i}", TEXTS[i::3])
    assert server.calls["GET batches"] == 1 + 1 + 2  # pages of two


def test_records_of_another_model_are_left_alone(server, job):
    job.run()
    _, vectors, _ = job.run(model="another-model")
    assert sorted(vectors) == ALL
    assert [b["_requests"][0]["body"]["model"] for b in server.batches.values()] == [
        "some-model",
        "another-model",
    ]


def test_what_failed_is_sent_again_and_nothing_else(server, job):
    failing = set(TEXTS[3:7])
    server.plans = [Plan(fails=lambda text: (500, None, "oh") if text in failing else None)]
    batches, vectors, refused = job.run()
    assert (sorted(vectors), refused, batches.stopped) == (ALL, {}, None)
    assert sent(server) == [TEXTS, TEXTS[3:7]]
    assert_paid_once(server)


def test_what_is_refused_is_not_sent_again(server, job):
    server.plans = [Plan(fails=lambda t: (400, None, f"bad: {t}") if t == TEXTS[9] else None)]
    _, vectors, refused = job.run()
    assert len(vectors) == len(TEXTS) - 1
    assert {i: r.code for i, r in refused.items()} == {9: "embedding_refused"}
    assert len(server.batches) == 1


def test_when_every_text_is_refused_it_is_not_the_texts(server, job):
    server.plans = [Plan(fails=lambda _: (400, None, "unknown parameter"))]
    batches, vectors, refused = job.run()
    assert (vectors, refused, batches.stopped.code) == ({}, {}, "all_refused")


def test_an_expired_batch_is_paid_for_as_far_as_it_got(server, job):
    server.plans = [
        Plan("expired", skips=lambda text: text not in TEXTS[:15]),
        Plan("expired", skips=lambda _: True),
    ]
    _, vectors, _ = job.run()
    assert sorted(vectors) == ALL
    assert [len(texts) for texts in sent(server)] == [40, 25, 25]
    assert_paid_once(server)


def test_a_batch_that_never_gets_anywhere_stops_the_run(server, job):
    server.plans = [Plan("expired", skips=lambda _: True)] * 9
    batches, vectors, _ = job.run(max_retries=2)
    assert (vectors, batches.stopped.code) == ({}, "provider_unavailable")
    assert len(server.batches) == 3


def test_a_batch_that_was_cancelled_by_others_stops_the_run_but_not_the_next(server, job):
    server.plans = [Plan("cancelled", skips=lambda text: text in TEXTS[30:])]
    batches, vectors, _ = job.run()
    assert (len(vectors), batches.stopped.code) == (30, "batch_cancelled")
    batches, vectors, _ = job.run()
    assert (sorted(vectors), batches.stopped) == (ALL, None)
    assert sent(server)[1] == TEXTS[30:]
    assert_paid_once(server)


def test_cancelling_keeps_what_was_done(server, job):
    server.plans = [Plan(n_looks=99, skips=lambda text: text in TEXTS[30:])]
    first = job.start()
    first.submit("chunk 0", TEXTS)
    first.cancel()
    assert server.calls["POST cancel"] == 1
    batches, vectors, _ = job.run()
    assert (sorted(vectors), batches.stopped) == (ALL, None)
    assert sent(server)[1] == TEXTS[30:]
    assert_paid_once(server)
    job.start().cancel()
    assert server.calls["POST cancel"] == 1


def test_a_failed_batch_stops_the_run_and_the_next_tries_anew(server, job):
    server.plans = [Plan("failed", errors=("invalid_model",))]
    batches, vectors, _ = job.run()
    assert (vectors, batches.stopped.code) == ({}, "batch_failed")
    assert "invalid_model" in str(batches.stopped)
    _, vectors, _ = job.run()
    assert sorted(vectors) == ALL


def test_a_failed_answer_that_no_retry_helps_stops_the_run_and_keeps_the_others(server, job):
    def fails(text):
        return (429, "insufficient_quota", "no money") if text in TEXTS[20:] else None

    server.plans = [Plan(fails=fails)]
    batches, vectors, _ = job.run()
    assert (sorted(vectors), batches.stopped.code) == (ALL[:20], "quota_exhausted")
    batches, vectors, _ = job.run()
    assert (sorted(vectors), batches.stopped) == (ALL, None)
    assert_paid_once(server)


def test_a_short_queue_is_filled_bit_by_bit(server, job):
    server.most_enqueued = sum(map(n_tokens, TEXTS)) // 3
    _, vectors, _ = job.run()
    assert sorted(vectors) == ALL
    assert_paid_once(server)
    done = [b for b in server.batches.values() if b["status"] == "completed"]
    assert 3 <= len(done) <= 8


def test_a_queue_full_of_our_own_is_waited_for(server, job):
    server.most_enqueued = sum(map(n_tokens, TEXTS)) + 10
    batches = job.start()
    batches.submit("chunk 0", TEXTS)
    others = [f"other {text}" for text in TEXTS[:30]]
    batches.submit("chunk 1", others)
    assert len(outcome(batches, others, "chunk 1")[0]) == 30
    assert len(outcome(batches, TEXTS, "chunk 0")[0]) == 40
    assert [len(texts) for texts in sent(server)] == [40, 30, 30]
    assert_paid_once(server, [*TEXTS, *others])


def test_several_chunks_are_under_way_at_once(server, job):
    batches = job.start()
    chunks = {f"chunk {i}": TEXTS[i::4] for i in range(4)}
    for chunk, texts in chunks.items():
        batches.submit(chunk, texts)
        batches.submit(chunk, texts)
    assert [b["status"] for b in server.batches.values()] == ["validating"] * 4
    for chunk, texts in chunks.items():
        assert len(outcome(batches, texts, chunk)[0]) == len(texts)
    assert len(server.batches) == 4
    assert_paid_once(server)


@pytest.mark.parametrize(
    "call", ["GET batches", "POST files", "POST batches", "GET batch", "GET content"]
)
@pytest.mark.parametrize(
    "fault",
    [
        Fault(503),
        Fault(429, headers={"Retry-After": "7"}),
        Fault(is_cut=True),
        Fault(is_closed=True),
    ],
    ids=["503", "429", "cut", "closed"],
)
def test_a_call_that_fails_is_tried_again_without_harm(server, job, call, fault):
    server.call_faults[call] = [fault, fault]
    batches, vectors, _ = job.run()
    assert (sorted(vectors), batches.stopped) == (ALL, None)
    assert len(server.batches) == 1
    assert_paid_once(server)
    assert (job.sleeps.count(7) == 2) == (fault.status == 429)


@pytest.mark.parametrize("call", ["POST files", "POST batches", "GET batch", "GET content"])
def test_a_call_that_always_fails_stops_the_run(server, job, call):
    server.call_faults[call] = [Fault(503)] * 9
    batches, vectors, _ = job.run(max_retries=2)
    assert (vectors, batches.stopped.code) == ({}, "provider_unavailable")
    server.call_faults.clear()
    assert sorted(job.run()[1]) == ALL
    assert_paid_once(server)


@pytest.mark.parametrize(
    ("fault", "code"), [(Fault(401), "key_refused"), (Fault(400), "request_refused")]
)
def test_a_call_that_is_refused_stops_the_run(server, job, fault, code):
    server.call_faults["POST batches"] = [fault]
    assert job.run()[0].stopped.code == code


def test_a_batch_that_is_no_longer_known_is_begun_anew(server, job):
    job.run()
    server.batches.clear()
    _, vectors, _ = job.run()
    assert sorted(vectors) == ALL


def test_an_uploaded_file_that_is_no_longer_there_is_uploaded_anew(server, job):
    job.kill_after = lambda state: state.batch_id is None
    with pytest.raises(Killed):
        job.run()
    job.kill_after = lambda _: False
    server.files.clear()
    _, vectors, _ = job.run()
    assert sorted(vectors) == ALL


def test_what_is_not_finite_is_asked_for_again_but_not_for_ever(server, job):
    server.plans = [Plan(alter=not_a_number(0))] * 3
    batches, vectors, refused = job.run(["a", "b"])
    assert vectors == {}
    assert {r.code for r in refused.values()} == {"embedding_not_finite"}
    assert (len(server.batches), batches.stopped) == (3, None)


def test_other_dimensions_are_asked_for_from_the_next_batch_on(server, job, monkeypatch):
    monkeypatch.setattr(batch_file, "MAX_LINES", 20)
    _, vectors, _ = job.run(dimensions=4)
    assert (len(vectors), {v.shape for v in vectors.values()}) == (len(TEXTS), {(4,)})
    asked = [b["_requests"][0]["body"].get("dimensions") for b in server.batches.values()]
    assert asked == [None, None, 4, 4]
    assert sorted(job.run(dimensions=4)[1]) == ALL
    assert len(server.batches) == 4


def test_other_dimensions_than_asked_for_stop_the_run(server, job):
    server.plans = [Plan(alter=of_dimensions(5))] * 2
    batches, vectors, _ = job.run()
    assert (vectors, batches.stopped.code) == ({}, "wrong_dimensions")


def test_what_came_before_an_error_is_kept(server, job):
    of_five = of_dimensions(5)
    last = vector_of(TEXTS[9], 16)  # answers come in the order of lines turned round

    def alter(items):
        return of_five(items) if np.array_equal(items[0]["embedding"], last) else items

    server.plans = [Plan(alter=alter)]
    batches, vectors, _ = job.run(model="text-embedding-3-small", dimensions=16)
    assert (sorted(vectors), batches.stopped.code) == (ALL[10:], "wrong_dimensions")


def too_long(text):
    return (400, "context_length_exceeded", "too long") if len(text) > 100 else None


@pytest.mark.parametrize(
    ("long_texts", "n_vectors"), [("truncate", 3), ("split-mean", 3), ("quarantine", 2)]
)
def test_a_text_longer_than_the_estimate(server, job, long_texts, n_vectors):
    server.plans = [Plan(fails=too_long)] * 6
    texts = ["short", " ".join(f"word{i}" for i in range(60)), "short, too"]
    batches, vectors, refused = job.run(texts, long_texts=long_texts)
    assert (len(vectors), len(vectors) + len(refused), batches.stopped) == (n_vectors, 3, None)
    cut = sorted((t for t in server.paid if t in texts[1]), key=texts[1].index)
    assert "".join(cut) == texts[1][: len("".join(cut))]
    if long_texts == "split-mean":
        weights = estimates(cut)
        mean = np.average(list(map(vector_of, cut)), axis=0, weights=weights)
        np.testing.assert_allclose(vectors[1], mean / np.linalg.norm(mean), atol=1e-6)
        assert sum(map(len, cut)) == len(texts[1])
    again = job.run(texts, long_texts=long_texts)[1]
    assert len(again) == n_vectors
    assert server.paid.most_common(1)[0][1] == 1


def test_equal_texts_are_sent_once(server, job):
    texts = ["same", "other", "same"]
    _, vectors, _ = job.run(texts)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert_paid_once(server, ["same", "other"])


def test_nothing_to_embed_is_no_batch(server, job):
    assert job.run([])[1:] == ({}, {})
    assert not server.calls


def test_spending_stops_before_the_limit(server, job):
    counted = sum(estimates(TEXTS[:20]))
    batches = job.start(share=Share(tokens=counted))
    assert len(outcome(batches, TEXTS[:20], "chunk 0")[0]) == 20
    assert outcome(batches, TEXTS[20:], "chunk 1")[0] == {}
    assert batches.stopped.code == "cost_limit"
    assert_paid_once(server, TEXTS[:20])


def test_files_keep_to_the_limits_of_the_service(monkeypatch):
    monkeypatch.setattr(batch_file, "MAX_LINES", 10)
    lines = [Line(batch_file.line_id(text), text, 5) for text in TEXTS]
    embedder = OpenAIEmbedder(EmbeddingConfig(model="m", dimensions=DIMENSIONS))
    files = list(batch_file.in_files(lines, embedder, 10**9))
    assert [len(some) for some in files] == [10] * 4
    assert [line for some in files for line in some] == lines
    assert [len(some) for some in batch_file.in_files(lines, embedder, 35)] == [7] * 5 + [5]
    size = len(batch_file._encoded(lines[0], embedder))
    monkeypatch.setattr(batch_file, "MAX_BYTES", 3 * size)
    assert max(len(some) for some in batch_file.in_files(lines, embedder, 10**9)) <= 3


def test_the_fingerprint_is_of_the_requests_not_of_their_order():
    lines = [Line(batch_file.line_id(text), text, 5) for text in TEXTS]
    parameters = {"model": "m", "encoding_format": "base64"}
    same = batch_file.fingerprint(lines, parameters)
    assert batch_file.fingerprint(lines[::-1], dict(reversed(parameters.items()))) == same
    assert batch_file.fingerprint(lines[1:], parameters) != same
    assert batch_file.fingerprint(lines, {**parameters, "dimensions": 4}) != same


def test_submitting_raises_what_stops_it(server, job):
    server.call_faults["POST files"] = [Fault(401)]
    with pytest.raises(ProviderError):
        job.start().submit("chunk 0", TEXTS)

"""Every text once, whatever its request goes through; here with an embedder that fails as told."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewinnow.embedding.base import Embedder, Limits, RefusedInput, TryLater
from lakewinnow.embedding.requests.budget import Pace
from lakewinnow.embedding.requests.engine import EmbeddedTexts, RefusedText, Requests, Share
from lakewinnow.errors import ProviderError

DIMENSIONS = 4


class Told(Embedder):
    """Embeds, or does what `on_request(texts)` returns or raises in its place."""

    name, model, dimensions = "told", "told", DIMENSIONS

    def __init__(self, on_request=lambda _: None, *, bills=None, **limits):
        self.limits = Limits(**{"inputs": 10, **limits})
        self.requests, self.most_at_once = [], 0
        self._on_request, self._bills = on_request, bills
        self._at_once, self._lock = 0, threading.Lock()

    def embed(self, texts):
        with self._lock:
            self.requests.append(texts)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            answer = self._on_request(texts)
        finally:
            with self._lock:
                self._at_once -= 1
        if self._bills:
            with self._lock:
                self.tokens_used += self._bills * sum(self.count_tokens(texts))
        return vectors_of(texts) if answer is None else answer


class QuickPace(Pace):
    """A pace that remembers waits rather than waiting."""

    rests, holds = (), ()

    def rest(self, seconds):
        super().rest(0)
        self.rests = (*self.rests, seconds)

    def hold(self, seconds):
        self.holds = (*self.holds, seconds)


def vectors_of(texts):
    vectors = np.array([[len(text), text.count("a"), text.count("b"), 1] for text in texts])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def requests_to(embedder, **options):
    """Return requests that do not wait, and the pace they keep."""
    paces = []

    def make_pace(share):
        paces.append(QuickPace(share))
        return paces[0]

    return Requests(embedder, make_pace=make_pace, **options), paces[0]


def outcome(requests, texts):
    """Run; return vectors by position and refusals by position, no position met twice."""
    vectors, refused = {}, {}
    for made in requests.run(texts):
        if isinstance(made, RefusedText):
            assert made.position not in refused
            refused[made.position] = made
            continue
        assert isinstance(made, EmbeddedTexts)
        assert made.vectors.dtype == np.float32
        for position, vector in zip(made.positions.tolist(), made.vectors, strict=True):
            assert position not in vectors
            vectors[position] = vector
    assert not vectors.keys() & refused.keys()
    return vectors, refused


def assert_all_embedded(vectors, texts):
    assert sorted(vectors) == list(range(len(texts)))
    np.testing.assert_array_equal([vectors[i] for i in range(len(texts))], vectors_of(texts))


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def first(n, outcomes):
    """Return what raises an error for each of the first n requests."""
    left = [outcomes] * n

    def on_request(_):
        if left:
            raise left.pop()

    return on_request


TEXTS = [f"text {i} " + "a" * (i % 7) + "b" * (i % 5) for i in range(95)]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_text_gets_its_own_vector(concurrency):
    embedder = Told(concurrency=concurrency)
    requests, _ = requests_to(embedder)
    vectors, refused = outcome(requests, TEXTS)
    assert_all_embedded(vectors, TEXTS)
    assert refused == {}
    assert (requests.n_requests, requests.stopped) == (10, None)
    assert requests.n_tokens == sum(embedder.count_tokens(TEXTS))


def test_no_texts_are_no_request():
    requests, _ = requests_to(Told())
    assert (outcome(requests, []), requests.n_requests) == (({}, {}), 0)


def test_as_many_requests_at_once_as_allowed_and_no_more():
    embedder = Told(lambda _: time.sleep(0.02), concurrency=3)
    outcome(requests_to(embedder)[0], TEXTS)
    assert embedder.most_at_once == 3


def test_one_request_at_a_time_needs_no_thread():
    threads = set()
    embedder = Told(lambda _: threads.add(threading.current_thread()))
    outcome(requests_to(embedder)[0], TEXTS)
    assert threads == {threading.current_thread()}


def test_no_more_is_asked_for_than_is_taken():
    embedder = Told(concurrency=2)
    iterator = requests_to(embedder)[0].run([*TEXTS] * 10)
    next(iterator)
    time.sleep(0.05)
    assert len(embedder.requests) <= 3
    iterator.close()
    assert len(embedder.requests) <= 3


@given(
    st.lists(st.text("ab ", max_size=40), max_size=30),
    st.integers(1, 8),
    st.integers(1, 20),
    st.integers(1, 12),
)
def test_requests_keep_to_the_limits(texts, n_inputs, per_request, per_input):
    embedder = Told(
        inputs=n_inputs, tokens_per_request=per_request, tokens_per_input=per_input, concurrency=1
    )
    outcome(requests_to(embedder)[0], texts)
    for sent in embedder.requests:
        counts = embedder.count_tokens(sent)
        assert len(sent) <= n_inputs
        assert max(counts) <= per_input
        assert sum(counts) <= per_request or len(sent) == 1


def test_batch_size_makes_requests_smaller_but_not_larger():
    embedder = Told()
    outcome(requests_to(embedder, batch_size=4)[0], TEXTS)
    assert max(map(len, embedder.requests)) == 4
    embedder = Told()
    outcome(requests_to(embedder, batch_size=400)[0], TEXTS)
    assert max(map(len, embedder.requests)) == 10


def test_a_failed_request_is_tried_again_after_longer_and_longer_waits():
    embedder = Told(first(4, TryLater("busy")))
    requests, pace = requests_to(embedder)
    vectors, _ = outcome(requests, TEXTS)
    assert_all_embedded(vectors, TEXTS)
    assert requests.n_requests == 14
    assert all(0 <= wait <= 0.5 * 2**i for i, wait in enumerate(pace.rests, start=1))
    assert len(set(pace.rests)) == 4


def test_waits_differ_between_tasks_but_not_between_runs():
    def waits(texts):
        requests, pace = requests_to(Told(first(3, TryLater("busy"))))
        outcome(requests, texts)
        return pace.rests

    assert waits(["a"]) == waits(["a"])
    assert waits(["a"]) != waits(["b"])


def test_a_wait_that_is_asked_for_is_kept_by_all():
    requests, pace = requests_to(Told(first(1, TryLater("busy", after=20.0))))
    outcome(requests, TEXTS)
    assert pace.rests == ()
    assert 20 <= min(pace.holds) <= max(pace.holds) <= 21


def test_retries_come_to_an_end():
    embedder = Told(first(99, TryLater("503: nobody home")))
    requests, _ = requests_to(embedder, max_retries=3)
    assert outcome(requests, TEXTS) == ({}, {})
    assert (len(embedder.requests), requests.stopped.code) == (4, "provider_unavailable")
    assert "nobody home" in str(requests.stopped)


def test_a_busy_provider_that_answers_others_is_waited_for():
    """One request is told to wait more often than there are retries, while others go through."""
    told = []

    def on_request(texts):
        if TEXTS[0] not in texts:
            time.sleep(0.002)
        elif len(told) < 5:
            told.append(len(embedder.requests))
            wait_until(lambda: len(embedder.requests) >= told[-1] + 2)  # others are answered
            raise TryLater("busy", after=0.0)

    embedder = Told(on_request, inputs=1, concurrency=2)
    requests, _ = requests_to(embedder, max_retries=2)
    vectors, _ = outcome(requests, TEXTS)
    assert (len(vectors), requests.stopped) == (len(TEXTS), None)


def test_a_request_that_fails_while_others_do_not_is_halved():
    def on_request(texts):
        if TEXTS[4] in texts:
            time.sleep(0.02)
            raise TryLater("500: broken")

    embedder = Told(on_request, concurrency=2)
    requests, _ = requests_to(embedder, max_retries=1)
    vectors, refused = outcome(requests, TEXTS)
    assert (len(vectors), sorted(refused), requests.stopped) == (len(TEXTS) - 1, [4], None)
    assert refused[4].reason == "500: broken"


def test_a_text_that_was_always_sent_alone_may_only_have_had_bad_luck():
    def on_request(texts):
        if TEXTS[4] in texts:
            time.sleep(0.02)
            raise TryLater("500: broken")

    requests, _ = requests_to(Told(on_request, inputs=1, concurrency=2), max_retries=1)
    _, refused = outcome(requests, TEXTS)
    assert (refused, requests.stopped.code) == ({}, "provider_unavailable")


def test_a_day_is_not_waited_for():
    requests, _ = requests_to(Told(first(1, TryLater("429: come back tomorrow", after=86400.0))))
    outcome(requests, TEXTS)
    assert requests.stopped.code == "provider_unavailable"


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_fatal_error_keeps_what_is_paid_for_and_begins_nothing(concurrency):
    def on_request(texts):
        if "text 30" in texts[0]:
            raise ProviderError("quota_exhausted", "here", "money", None)
        time.sleep(0.02)

    embedder = Told(on_request, concurrency=concurrency)
    requests, _ = requests_to(embedder)
    vectors, refused = outcome(requests, TEXTS)
    assert requests.stopped.code == "quota_exhausted"
    answered = [texts for texts in embedder.requests if "text 30" not in texts[0]]
    assert len(vectors) == 10 * len(answered)
    assert 4 <= len(embedder.requests) <= 3 + concurrency
    assert refused == {}


def test_a_consumer_that_is_slow_does_not_let_requests_begin_after_a_fatal_error():
    """The first request waits to be tried again while the third fails and the consumer is busy."""

    tried, failed = threading.Event(), threading.Event()
    patience = 20

    def on_request(texts):
        if texts[0] == TEXTS[0]:
            tried.set()
            raise TryLater("busy")
        if texts[0] == TEXTS[20]:
            tried.wait(patience)
            failed.set()
            raise ProviderError("key_refused", "here", "a key", None)

    class RestingPace(Pace):
        def rest(self, _):
            failed.wait(patience)
            super().rest(0.1)

    embedder = Told(on_request, concurrency=3)
    requests = Requests(embedder, make_pace=RestingPace)
    for _ in requests.run(TEXTS):
        failed.wait(patience)
        time.sleep(0.3)
    assert requests.stopped.code == "key_refused"
    assert requests.n_requests == len(embedder.requests) == 3


def test_a_bug_is_not_taken_for_an_answer():
    def on_request(_):
        raise ZeroDivisionError

    for concurrency in (1, 3):
        with pytest.raises(ZeroDivisionError):
            outcome(requests_to(Told(on_request, concurrency=concurrency))[0], TEXTS)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("bad", [{3}, {0, 9, 10}, {94}])
def test_a_refused_text_is_found_and_costs_no_other(bad, concurrency):
    poisoned = {TEXTS[i] for i in bad}

    def on_request(texts):
        if poisoned & set(texts):
            raise RefusedInput("400: not this one")

    embedder = Told(on_request, concurrency=concurrency)
    vectors, refused = outcome(requests_to(embedder)[0], TEXTS)
    assert sorted(refused) == sorted(bad)
    assert {r.code for r in refused.values()} == {"embedding_refused"}
    assert sorted([*vectors, *bad]) == list(range(len(TEXTS)))
    answered = [t for texts in embedder.requests if not poisoned & set(texts) for t in texts]
    assert len(answered) == len(set(answered)) == len(vectors)


def test_when_every_text_is_refused_it_is_not_the_texts():
    embedder = Told(first(10**6, RefusedInput("400: unknown parameter")), inputs=64)
    requests, _ = requests_to(embedder)
    assert outcome(requests, TEXTS) == ({}, {})
    assert requests.stopped.code == "all_refused"
    assert len(embedder.requests) < 64


def test_a_few_texts_may_all_be_refused():
    requests, _ = requests_to(Told(first(10**6, RefusedInput("400: no"))))
    vectors, refused = outcome(requests, ["x", "y"])
    assert (vectors, sorted(refused), requests.stopped) == ({}, [0, 1], None)


def with_nan(texts, bad):
    vectors = vectors_of(texts)
    vectors[[text in bad for text in texts]] = np.nan
    return vectors


def test_what_is_not_finite_is_asked_for_again_and_nothing_else_is():
    bad = {TEXTS[2], TEXTS[5]}
    seen = []

    def on_request(texts):
        seen.append(texts)
        return with_nan(texts, bad if len(seen) == 1 else ())

    embedder = Told(on_request)
    vectors, refused = outcome(requests_to(embedder)[0], TEXTS)
    assert_all_embedded(vectors, TEXTS)
    assert refused == {}
    assert seen[1] == [TEXTS[2], TEXTS[5]]


def test_what_is_never_finite_is_refused():
    embedder = Told(lambda texts: with_nan(texts, {TEXTS[7]}))
    requests, _ = requests_to(embedder)
    vectors, refused = outcome(requests, TEXTS)
    assert {i: r.code for i, r in refused.items()} == {7: "embedding_not_finite"}
    assert len(vectors) == len(TEXTS) - 1
    assert requests.n_requests == 12


def test_a_provider_that_returns_nothing_finite_is_stopped():
    requests, _ = requests_to(Told(lambda texts: with_nan(texts, texts)))
    assert outcome(requests, TEXTS) == ({}, {})
    assert requests.stopped.code == "all_refused"


def test_an_answer_of_another_length_is_asked_for_again():
    seen = []

    def on_request(texts):
        seen.append(texts)
        return vectors_of(texts)[:-1] if len(seen) == 2 else None

    vectors, _ = outcome(requests_to(Told(on_request))[0], TEXTS)
    assert_all_embedded(vectors, TEXTS)
    assert len(seen) == 11


def test_other_dimensions_are_no_matter_of_trying_again():
    embedder = Told(lambda texts: np.ones((len(texts), 5), np.float32))
    requests, _ = requests_to(embedder)
    outcome(requests, TEXTS)
    assert (requests.stopped.code, requests.stopped.where, len(embedder.requests)) == (
        "wrong_dimensions",
        "embedding.dimensions",
        1,
    )


LONG = ["short", "aaaa " * 30, "also short", "bbb " * 50]  # of at most 20 tokens, or more


def test_long_texts_are_truncated():
    embedder = Told(tokens_per_input=20)
    vectors, refused = outcome(requests_to(embedder, long_texts="truncate")[0], LONG)
    beginnings = [embedder.split(text, 20)[0] for text in LONG]
    assert_all_embedded(vectors, beginnings)
    assert refused == {}


def test_long_texts_are_refused_without_asking():
    embedder = Told(tokens_per_input=20)
    vectors, refused = outcome(requests_to(embedder, long_texts="quarantine")[0], LONG)
    assert {i: r.code for i, r in refused.items()} == dict.fromkeys(
        [1, 3], "text_too_long_for_model"
    )
    assert sorted(vectors) == [0, 2]
    assert embedder.requests == [["short", "also short"]]


@pytest.mark.parametrize(("n_inputs", "concurrency"), [(10, 1), (2, 1), (1, 4)])
def test_long_texts_are_the_mean_of_their_pieces(n_inputs, concurrency):
    embedder = Told(tokens_per_input=20, inputs=n_inputs, concurrency=concurrency)
    vectors, _ = outcome(requests_to(embedder, long_texts="split-mean")[0], LONG)
    for i, text in enumerate(LONG):
        pieces = embedder.split(text, 20)
        mean = np.average(vectors_of(pieces), axis=0, weights=embedder.count_tokens(pieces))
        np.testing.assert_allclose(vectors[i], mean / np.linalg.norm(mean), rtol=1e-6)


def test_the_mean_of_vectors_of_other_lengths_is_not_normalized():
    embedder = Told(lambda texts: 3 * vectors_of(texts), tokens_per_input=20)
    vectors, _ = outcome(requests_to(embedder, long_texts="split-mean")[0], LONG)
    pieces = embedder.split(LONG[1], 20)
    mean = np.average(3 * vectors_of(pieces), axis=0, weights=embedder.count_tokens(pieces))
    np.testing.assert_allclose(vectors[1], mean, rtol=1e-6)


def test_a_text_with_a_refused_piece_is_refused_once():
    def on_request(texts):
        if any("bad" in text for text in texts):
            raise RefusedInput("400: no")

    texts = ["fine", "bad " * 100, "fine, too"]
    embedder = Told(on_request, tokens_per_input=20, concurrency=2)
    vectors, refused = outcome(requests_to(embedder, long_texts="split-mean")[0], texts)
    assert (sorted(vectors), sorted(refused)) == ([0, 2], [1])


def too_long_from(n_characters):
    """Return what refuses texts that the estimate of tokens lets pass."""

    def on_request(texts):
        if any(len(text) > n_characters for text in texts):
            raise RefusedInput("400: maximum context length", too_long=True)

    return on_request


def test_a_text_that_only_the_provider_finds_too_long_is_cut_further():
    embedder = Told(too_long_from(40))
    vectors, refused = outcome(requests_to(embedder)[0], ["short", "aaaa " * 30])
    assert refused == {}
    np.testing.assert_array_equal(vectors[0], vectors_of(["short"])[0])
    [last] = embedder.requests[-1]
    assert 10 <= len(last) <= 40
    assert ("aaaa " * 30).startswith(last)
    np.testing.assert_array_equal(vectors[1], vectors_of([last])[0])


def test_such_a_text_is_split_further_for_its_mean():
    embedder = Told(too_long_from(40), tokens_per_input=30)
    vectors, refused = outcome(requests_to(embedder, long_texts="split-mean")[0], LONG)
    assert (sorted(vectors), refused) == ([0, 1, 2, 3], {})
    answered = [t for texts in embedder.requests if max(map(len, texts)) <= 40 for t in texts]
    assert "".join(text for text in answered if text.startswith("b")) == LONG[3]


def test_such_a_text_is_refused_if_it_should_not_be_cut():
    embedder = Told(too_long_from(40))
    vectors, refused = outcome(requests_to(embedder, long_texts="quarantine")[0], LONG)
    assert (sorted(vectors), sorted(refused)) == ([0, 2], [1, 3])
    assert {r.code for r in refused.values()} == {"text_too_long_for_model"}


def test_a_text_that_is_too_long_at_any_length_is_refused():
    requests, _ = requests_to(Told(too_long_from(0)))
    assert sorted(outcome(requests, ["some words of a text"])[1]) == [0]
    assert requests.n_requests < 8


@pytest.mark.parametrize("concurrency", [1, 4])
def test_spending_stops_before_the_limit(concurrency):
    embedder = Told(bills=1, concurrency=concurrency)
    n_tokens = embedder.count_tokens(TEXTS)
    requests, _ = requests_to(embedder, share=Share(tokens=sum(n_tokens) // 2))
    vectors, _ = outcome(requests, TEXTS)
    assert requests.stopped.code == "cost_limit"
    assert requests.n_tokens == sum(n_tokens[i] for i in vectors) <= sum(n_tokens) // 2
    assert len(vectors) >= 40


def test_a_bill_that_is_lower_than_expected_leaves_more_to_spend():
    embedder = Told(bills=0.5, concurrency=4)
    requests, _ = requests_to(embedder, share=Share(tokens=sum(embedder.count_tokens(TEXTS))))
    assert len(outcome(requests, TEXTS)[0]) == len(TEXTS)


def test_a_bill_that_is_higher_than_expected_is_taken_into_account():
    embedder = Told(bills=3)
    n_tokens = 3 * sum(embedder.count_tokens(TEXTS))
    requests, _ = requests_to(embedder, share=Share(tokens=n_tokens // 2))
    outcome(requests, TEXTS)
    assert requests.stopped.code == "cost_limit"
    assert n_tokens // 3 < requests.n_tokens <= n_tokens // 2


def test_a_request_is_no_minute_worth_of_the_budget():
    embedder = Told(inputs=1000)
    share = Share(tokens_per_minute=sum(embedder.count_tokens(TEXTS)), window_s=0.05)
    requests = Requests(embedder, share=share)
    assert len(outcome(requests, TEXTS)[0]) == len(TEXTS)
    assert 6 <= len(embedder.requests) <= 8


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 8))
def test_whatever_happens_no_text_is_lost_or_embedded_twice(data, concurrency, n_inputs):
    texts = [f"{i} {'ab' * (i % 9)}" for i in range(data.draw(st.integers(0, 25)))]
    kinds = data.draw(st.lists(st.sampled_from(["ok", "later", "nan", "short"]), max_size=12))
    poisoned = set(data.draw(st.lists(st.sampled_from(texts), max_size=3)) if texts else [])
    lock = threading.Lock()

    def on_request(sent):
        if poisoned & set(sent):
            raise RefusedInput("400")
        with lock:
            kind = kinds.pop() if kinds else "ok"
        if kind == "later":
            raise TryLater("503")
        vectors = vectors_of(sent)
        return {"ok": vectors, "nan": with_nan(sent, sent[:1]), "short": vectors[1:]}[kind]

    embedder = Told(on_request, inputs=n_inputs, concurrency=concurrency)
    requests, _ = requests_to(embedder, max_retries=99)
    vectors, refused = outcome(requests, texts)
    assert requests.stopped is None
    assert sorted([*vectors, *refused]) == list(range(len(texts)))
    assert {texts[i] for i, r in refused.items() if r.code == "embedding_refused"} == poisoned
    for i, vector in vectors.items():
        np.testing.assert_array_equal(vector, vectors_of([texts[i]])[0])

"""The real client and a server that misbehaves: the outcome, the requests, what was paid for."""

import gc
import logging
import pickle
import socket
import threading
import time
from dataclasses import replace
from email.utils import formatdate

import numpy as np
import pytest

from embedding.openai.fault_server import (
    DIMENSIONS,
    KEY,
    Fault,
    FaultServer,
    in_reverse,
    not_a_number,
    of_dimensions,
    vector_of,
    without,
)
from lakewinnow.config.sections import EmbeddingConfig, OpenAIConfig
from lakewinnow.embedding import registry
from lakewinnow.embedding.openai.embedder import OpenAIEmbedder, Vocabulary
from lakewinnow.embedding.requests.budget import Pace
from lakewinnow.embedding.requests.engine import RefusedText, Requests, Share
from lakewinnow.errors import ConfigError, ProviderError

TEXTS = [f"message {i}: {'word ' * (i % 9)}" for i in range(60)]
BATCH = 10


class QuickPace(Pace):
    """Waits a hundredth of the time, and remembers how long it was asked to wait."""

    rests, holds = (), ()

    def rest(self, seconds):
        self.rests = (*self.rests, seconds)
        super().rest(seconds / 100)

    def hold(self, seconds):
        self.holds = (*self.holds, seconds)
        super().hold(seconds / 100)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server():
    with FaultServer() as started:
        yield started


def make_config(url=None, *, model="some-model", dimensions=DIMENSIONS, normalize=True, **service):
    service = OpenAIConfig(**{"base_url": url, "timeout_s": 5.0, "concurrency": 1, **service})
    return EmbeddingConfig(
        provider="openai", model=model, dimensions=dimensions, normalize=normalize, openai=service
    )


class Run:
    """What became of texts."""

    def __init__(self, server, texts=TEXTS, *, max_retries=6, **service):
        embedder = registry.load(make_config(server.url, **service))
        paces, n_before = [], len(server.log)

        def make_pace(share):
            paces.append(QuickPace(share))
            return paces[0]

        requests = Requests(
            embedder, batch_size=BATCH, max_retries=max_retries, make_pace=make_pace
        )
        self.vectors, self.refused = {}, {}
        for made in requests.run(texts):
            if isinstance(made, RefusedText):
                self.refused[made.position] = made
            else:
                self.vectors |= dict(zip(made.positions.tolist(), made.vectors, strict=True))
        self.stopped, self.n_requests, self.pace = requests.stopped, requests.n_requests, paces[0]
        self.n_tokens = requests.n_tokens
        for position, vector in self.vectors.items():
            np.testing.assert_allclose(vector, vector_of(texts[position]), atol=1e-6)
        assert self.n_requests == len(server.log) - n_before

    def assert_whole(self):
        """Every text has its vector."""
        assert (sorted(self.vectors), self.refused, self.stopped) == (
            list(range(len(TEXTS))),
            {},
            None,
        )


def assert_paid_once(server, texts=TEXTS):
    assert server.paid == dict.fromkeys(texts, 1)


def test_no_fault(server):
    run = Run(server)
    run.assert_whole()
    assert_paid_once(server)
    assert run.n_requests == 6
    assert run.n_tokens == sum(request.tokens for request in server.log)
    assert {tuple(r.body) for r in server.log} == {("model", "input", "encoding_format")}


@pytest.mark.parametrize(
    "usage_of",
    [
        lambda total: {"prompt_tokens": total},
        lambda total: {"prompt_tokens": total, "total_tokens": None},
        lambda _: {"total_tokens": "many"},
        lambda _: {},
        lambda _: None,
        lambda total: total,
    ],
    ids=["no-total", "null-total", "text", "empty", "null", "number"],
)
def test_number_15_a_server_whose_usage_lacks_total_tokens_is_paid_once(server, usage_of):
    server.usage_of = usage_of
    run = Run(server)
    run.assert_whole()
    assert_paid_once(server)
    assert run.n_tokens > 0
    if (usage_of(5) or {}) == {"prompt_tokens": 5}:
        assert run.n_tokens == sum(request.tokens for request in server.log)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, headers={"Retry-After": "1"}),
        Fault(429, "rate_limit_exceeded"),
        Fault(500),
        Fault(502, body=b"<html>bad gateway</html>"),
        Fault(503, headers={"Retry-After": "1"}),
        Fault(408),
        Fault(409),
        Fault(is_closed=True),
    ],
    ids=lambda fault: f"{fault.status}{'-after' * bool(fault.headers)}{'-cut' * fault.is_closed}",
)
def test_a_passing_fault_costs_a_request_and_nothing_else(server, fault, concurrency):
    server.script = [None, fault, fault, None, fault]
    run = Run(server, concurrency=concurrency)
    run.assert_whole()
    assert_paid_once(server)
    assert run.n_requests == 6 + 3


def test_an_answer_that_is_slow_is_waited_for_within_the_timeout(server):
    server.script = [Fault(seconds=0.3)]
    run = Run(server)
    run.assert_whole()
    assert (run.n_requests, run.pace.rests) == (6, ())
    assert_paid_once(server)


@pytest.mark.parametrize(
    "fault", [Fault(seconds=1.0), Fault(is_cut=True)], ids=["timeout", "reset-in-the-middle"]
)
def test_an_answer_that_does_not_get_through_is_asked_for_again(server, fault):
    """Its texts, and they alone, are paid for twice: that the work was done cannot be known."""
    server.script = [None, fault]
    run = Run(server, timeout_s=0.5)
    run.assert_whole()
    assert run.n_requests == 7
    lost = TEXTS[BATCH : 2 * BATCH]
    assert server.paid == {text: 1 + (text in lost) for text in TEXTS}
    counted = registry.load(make_config(server.url)).count_tokens(lost)  # nobody says what it was
    assert run.n_tokens == sum(request.tokens for request in server.log[:1] + server.log[2:]) + sum(
        counted
    )


@pytest.mark.parametrize("fault", [Fault(seconds=1.0), Fault(is_cut=True), Fault(body=b"{}")])
def test_answers_that_never_get_through_do_not_spend_more_than_was_allowed(server, fault):
    server.always = fault
    embedder = registry.load(make_config(server.url, timeout_s=0.5))
    most = 5 * sum(embedder.count_tokens(TEXTS[:BATCH])) // 2
    requests = Requests(
        embedder, batch_size=BATCH, share=Share(tokens=most), max_retries=9, make_pace=QuickPace
    )
    assert list(requests.run(TEXTS)) == []
    assert requests.stopped.code == "cost_limit"
    assert server.paid == dict.fromkeys(TEXTS[:BATCH], 2)
    assert requests.n_tokens <= most


def test_what_is_not_json_is_asked_for_again(server):
    server.script = [Fault(body=b"<html>"), Fault(body=b'"words"'), Fault(body=b"{}")]
    run = Run(server)
    run.assert_whole()
    assert run.n_requests == 6 + 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "7", "retry-after-ms": "2500"}, 2.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2.5s"}, 62.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 0.12),
    ],
)
def test_the_provider_says_how_long_to_wait(server, headers, seconds):
    server.script = [Fault(429, headers=headers)]
    run = Run(server)
    run.assert_whole()
    assert run.pace.holds == (pytest.approx(seconds, abs=0.5),)
    assert min(run.pace.holds) >= seconds


def test_a_date_to_wait_for(server):
    server.script = [Fault(429, headers={"Retry-After": formatdate(time.time() + 30)})]
    assert Run(server).pace.holds == (pytest.approx(30, abs=3),)


@pytest.mark.parametrize(
    ("headers", "bound"),
    [
        ({}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "nan"}, 1.0),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "9s"}, 1.0),
    ],
)
def test_without_a_word_the_wait_is_by_chance(server, headers, bound):
    server.script = [Fault(429, headers=headers)]
    run = Run(server)
    run.assert_whole()
    assert run.pace.holds == ()
    [rest] = run.pace.rests
    assert 0 <= rest <= bound


def test_indices_in_the_wrong_order_are_put_right(server):
    server.always = Fault(alter=in_reverse)
    run = Run(server)
    run.assert_whole()
    assert run.n_requests == 6


@pytest.mark.parametrize("alter", [without(3, 7), not_a_number(3, 7)], ids=["short", "nan"])
def test_what_is_missing_from_an_answer_is_asked_for_by_itself(server, alter):
    server.script = [Fault(alter=alter)]
    run = Run(server)
    run.assert_whole()
    assert run.n_requests == 7
    assert [r.texts for r in server.log if len(r.texts) < BATCH] == [[TEXTS[3], TEXTS[7]]]
    assert server.paid == {text: 1 + (text in {TEXTS[3], TEXTS[7]}) for text in TEXTS}


def test_one_vector_that_is_never_finite_is_refused(server):
    def spoil(items):
        for item in items:
            if np.array_equal(item["embedding"], vector_of(TEXTS[42])):
                item["embedding"] = [float("inf")] * DIMENSIONS
        return items

    server.always = Fault(alter=spoil)
    run = Run(server)
    assert {i: r.code for i, r in run.refused.items()} == {42: "embedding_not_finite"}
    assert len(run.vectors) == len(TEXTS) - 1
    assert server.paid == {text: 1 + 2 * (text == TEXTS[42]) for text in TEXTS}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_one_poisoned_text_is_found(server, concurrency):
    server.refuses = lambda text: f"cannot read {text!r}" if text == TEXTS[33] else None
    run = Run(server, concurrency=concurrency)
    assert {i: r.code for i, r in run.refused.items()} == {33: "embedding_refused"}
    assert TEXTS[33] not in run.refused[33].reason
    assert len(run.vectors) == len(TEXTS) - 1
    assert_paid_once(server, [text for text in TEXTS if text != TEXTS[33]])
    assert run.n_requests <= 6 + 2 * 4


def test_one_text_that_the_server_breaks_at_is_found_while_others_are_answered(server):
    server.breaks = lambda text: text == TEXTS[33]
    run = Run(server, concurrency=4, max_retries=2)
    assert (run.stopped, sorted(run.refused)) == (None, [33])
    assert "500" in run.refused[33].reason
    assert len(run.vectors) == len(TEXTS) - 1
    assert_paid_once(server, [text for text in TEXTS if text != TEXTS[33]])


def test_a_text_longer_than_the_estimate_is_cut_until_it_fits(server):
    message = "This model's maximum context length is 8192 tokens, however you requested 9000."
    server.refuses = lambda text: message if len(text) > 3000 else None
    texts = ["short", "chunk " * 1000, "short, too"]
    embedder = OpenAIEmbedder(make_config(server.url))
    requests = Requests(embedder, long_texts="truncate")
    positions = sorted(i for made in requests.run(texts) for i in made.positions.tolist())
    assert positions == [0, 1, 2]
    [cut] = [text for text in server.paid if text.startswith("chunk")]
    assert 1000 < len(cut) <= 3000
    assert server.paid.total() == 3


@pytest.mark.parametrize(
    ("fault", "code", "where"),
    [
        (Fault(429, "insufficient_quota"), "quota_exhausted", "embedding.provider"),
        (Fault(402), "quota_exhausted", "embedding.provider"),
        (Fault(401, "invalid_api_key"), "key_refused", "embedding.provider"),
        (Fault(403), "key_refused", "embedding.provider"),
        (Fault(404, "model_not_found"), "model_not_found", "embedding.model"),
        (Fault(400, param="dimensions"), "request_refused", "embedding.dimensions"),
        (Fault(405), "request_refused", "embedding.provider"),
    ],
    ids=lambda value: getattr(value, "status", None),
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_no_retry_helps_stops_the_run_and_keeps_what_is_paid_for(
    server, fault, code, where, concurrency
):
    server.script, server.always = [None, None], fault
    run = Run(server, concurrency=concurrency)
    assert (run.stopped.code, run.stopped.where) == (code, where)
    assert run.stopped.hint
    assert len(run.vectors) == 2 * BATCH
    assert server.paid == dict.fromkeys((TEXTS[i] for i in run.vectors), 1)
    assert 3 <= run.n_requests <= 2 + concurrency


def test_unavailable_for_ever(server):
    server.script, server.always = [None], Fault(503)
    run = Run(server, max_retries=3)
    assert run.stopped.code == "provider_unavailable"
    assert "503" in str(run.stopped)
    assert "run again" in run.stopped.hint
    assert (len(run.vectors), run.n_requests) == (BATCH, 1 + 4)
    assert_paid_once(server, TEXTS[:BATCH])


def test_nobody_listens():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        requests = Requests(registry.load(make_config(url)), max_retries=1, make_pace=QuickPace)
        assert list(requests.run(TEXTS)) == []
    assert requests.stopped.code == "provider_unavailable"
    assert "ConnectError" in str(requests.stopped)


def test_the_next_run_pays_only_for_the_rest(server):
    server.script = [None, None, Fault(401)]
    first = Run(server)
    rest = [text for i, text in enumerate(TEXTS) if i not in first.vectors]
    second = Run(server, rest)
    assert len(first.vectors) + len(second.vectors) == len(TEXTS)
    assert_paid_once(server)


def test_four_tasks_together_keep_to_the_budget(server):
    """Windows of one second stand for those of a minute; each task has a quarter of the budget."""
    window, most_requests, most_tokens = 1.0, 40, 2400
    server.script = [Fault(429), Fault(500), None, Fault(429)]
    embedders = [OpenAIEmbedder(make_config(server.url, concurrency=3)) for _ in range(4)]
    share = Share(most_requests / 4, most_tokens / 4, window_s=window)
    texts = [f"{i} {'word ' * (i % 30)}" for i in range(400)]
    embedded = []

    def task(i):
        requests = Requests(embedders[i], batch_size=5, share=share)
        for made in requests.run(texts[i::4]):
            embedded.extend(texts[i::4][j] for j in made.positions)

    threads = [threading.Thread(target=task, args=[i]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(embedded) == sorted(texts)
    assert_paid_once(server, texts)
    requests, tokens = server.busiest(window)
    assert requests <= most_requests
    assert tokens <= most_tokens
    assert requests > most_requests / 4 or tokens > most_tokens / 4  # and make use of it


def test_requests_at_once(server):
    server.always = Fault(seconds=0.05)
    Run(server, concurrency=3)
    assert server.most_at_once == 3


def test_the_key_is_said_nowhere(server, caplog):
    caplog.set_level(logging.DEBUG)
    masked = f"{KEY[:8]}****{KEY[-4:]}"
    server.always = Fault(401, message=f"Incorrect API key provided: {KEY} ({masked}).")
    run = Run(server)
    said = [str(run.stopped), repr(run.stopped), run.stopped.hint, caplog.text]
    assert "Incorrect API key" in said[0]
    for secret in (KEY, masked):
        assert not [text for text in said if secret in text]
    embedder = OpenAIEmbedder(make_config(server.url))
    embedder.client  # noqa: B018 - made now
    assert KEY.encode() not in pickle.dumps(embedder)
    assert KEY not in repr(vars(embedder))


def test_an_embedder_travels_as_its_configuration(server):
    embedder = OpenAIEmbedder(make_config(server.url))
    embedder.embed(TEXTS[:1])
    arrived = pickle.loads(pickle.dumps(embedder))  # noqa: S301
    assert (arrived.model, arrived.dimensions, arrived.limits) == (
        embedder.model,
        embedder.dimensions,
        embedder.limits,
    )
    np.testing.assert_array_equal(arrived.embed(TEXTS[:3]), embedder.embed(TEXTS[:3]))


def test_connections_are_closed_with_the_embedder(server):
    embedder = OpenAIEmbedder(make_config(server.url))
    embedder.embed(["text"])
    client = embedder.client
    del embedder
    gc.collect()
    assert client.is_closed()


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"base_url": "https://eu.api.openai.com/v1"}, "OPENAI_API_KEY"),
        ({"base_url": "https://x.azure.com", "api_version": "1"}, "AZURE_OPENAI_API_KEY"),
    ],
)
def test_a_key_that_is_missing_is_asked_for(monkeypatch, service, variable):
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    embedder = OpenAIEmbedder(make_config(service.pop("base_url", None), **service))
    with pytest.raises(ProviderError) as error:
        embedder.embed(["text"])
    assert (error.value.code, error.value.where) == ("key_missing", variable)


def test_other_servers_may_want_no_key(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    Run(server).assert_whole()


def test_the_environment_does_not_choose_the_server(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert OpenAIEmbedder(make_config()).client.base_url.host == "api.openai.com"


def test_azure(server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    endpoint = server.url.removesuffix("/v1")
    embedder = OpenAIEmbedder(make_config(endpoint, api_version="2024-10-21", model="deployed"))
    np.testing.assert_allclose(embedder.embed(["text"]), [vector_of("text")], atol=1e-6)
    path = server.log[0].path
    assert path == "/openai/deployments/deployed/embeddings?api-version=2024-10-21"
    assert embedder.limits.usd_per_million_tokens is None


@pytest.mark.parametrize(
    ("model", "asked", "dimensions", "price"),
    [
        (None, None, 1536, 0.02),
        ("text-embedding-3-large", None, 3072, 0.13),
        ("text-embedding-ada-002", 1536, 1536, 0.10),
        ("text-embedding-3-large", 256, 256, 0.13),
        ("a-model", 384, 384, None),
    ],
)
def test_what_is_known_of_a_model(model, asked, dimensions, price):
    embedder = OpenAIEmbedder(make_config(model=model, dimensions=asked))
    assert (embedder.dimensions, embedder.limits.usd_per_million_tokens) == (dimensions, price)
    assert embedder.model == (model or "text-embedding-3-small")


@pytest.mark.parametrize(
    ("model", "asked", "code"),
    [
        ("text-embedding-3-small", 1537, "unknown_dimensions"),
        ("text-embedding-ada-002", 512, "unknown_dimensions"),
        ("a-model", None, "dimensions_unknown"),
    ],
)
def test_dimensions_that_a_model_does_not_have(model, asked, code):
    with pytest.raises(ConfigError) as error:
        OpenAIEmbedder(make_config(model=model, dimensions=asked))
    assert (error.value.code, error.value.where) == (code, "embedding.dimensions")


def test_azure_has_an_endpoint_of_its_own():
    with pytest.raises(ConfigError) as error:
        OpenAIEmbedder(make_config(api_version="2024-10-21"))
    assert error.value.where == "embedding.openai.base_url"


def test_a_price_that_is_given_is_the_price():
    def price(**service):
        service = {"base_url": "https://gateway/v1", **service}
        config = make_config(service.pop("base_url"), model="text-embedding-3-small", **service)
        return OpenAIEmbedder(EmbeddingConfig(openai=config.openai)).limits.usd_per_million_tokens

    assert price() is None
    assert price(base_url=None, mode="batch") == 0.01
    assert price(price_per_million_tokens=0.5) == 0.5
    assert price(price_per_million_tokens=0.5, mode="batch") == 0.5


def test_fewer_dimensions_are_asked_for(server):
    config = make_config(server.url, model="text-embedding-3-small", dimensions=16)
    assert OpenAIEmbedder(config).embed(["text"]).shape == (1, 16)
    assert server.log[0].body["dimensions"] == 16


def test_dimensions_are_asked_for_once_whatever_is_under_way(server):
    server.always = Fault(seconds=0.05)
    embedder = OpenAIEmbedder(make_config(server.url, dimensions=4, concurrency=4))
    requests = Requests(embedder, batch_size=BATCH, make_pace=QuickPace)
    assert sum(len(made.positions) for made in requests.run(TEXTS)) == len(TEXTS)
    assert [r.body.get("dimensions") for r in server.log] == [None] * 4 + [4] * 6


def test_dimensions_are_asked_of_an_unknown_model_only_if_it_has_others(server):
    Run(server).assert_whole()
    assert not [r for r in server.log if "dimensions" in r.body]
    embedder = OpenAIEmbedder(make_config(server.url, dimensions=4))
    requests = Requests(embedder, batch_size=BATCH, make_pace=QuickPace)
    assert sum(len(made.positions) for made in requests.run(TEXTS)) == len(TEXTS)
    assert [r.body.get("dimensions") for r in server.log[6:]] == [None, 4, 4, 4, 4, 4, 4]


def test_a_model_of_other_dimensions_stops_the_run(server):
    server.always = Fault(alter=of_dimensions(5))
    run = Run(server)
    assert (run.stopped.code, run.stopped.where) == ("wrong_dimensions", "embedding.dimensions")
    assert "got 5" in str(run.stopped)
    assert run.n_requests == 2


def test_vectors_of_an_unknown_model_are_normalized_unless_told_otherwise(server):
    def longer(items):
        return [{**item, "embedding": 3 * item["embedding"]} for item in items]

    server.always = Fault(alter=longer)
    unit = OpenAIEmbedder(make_config(server.url))
    raw = OpenAIEmbedder(make_config(server.url, normalize=False))
    np.testing.assert_allclose(unit.embed(["a"]), [vector_of("a")], atol=1e-6)
    np.testing.assert_allclose(raw.embed(["a"]), [3 * vector_of("a")], atol=1e-6)
    assert (unit.model, raw.model) == ("some-model", "some-model+raw")
    assert {r.body["model"] for r in server.log} == {"some-model"}


@pytest.mark.parametrize("embedding", ["no base64", "QUJD", None, ["words"], []])
def test_what_is_no_vector_is_asked_for_again(server, monkeypatch, embedding):
    answer = server.answer

    def broken(body, texts, alter):
        content = answer(body, texts, alter)
        content["data"][4]["embedding"] = embedding
        monkeypatch.setattr(server, "answer", answer)
        return content

    monkeypatch.setattr(server, "answer", broken)
    run = Run(server)
    run.assert_whole()
    assert [r.texts for r in server.log if len(r.texts) < BATCH] == [[TEXTS[4]]]


def test_a_server_that_sends_numbers_regardless(server, monkeypatch):
    answer = server.answer
    monkeypatch.setattr(
        server, "answer", lambda body, *rest: answer({**body, "encoding_format": "float"}, *rest)
    )
    Run(server).assert_whole()


def test_limits_are_those_of_the_service():
    limits = OpenAIEmbedder(
        make_config(concurrency=7, max_requests_per_minute=11, max_tokens_per_minute=13)
    ).limits
    assert (limits.inputs, limits.tokens_per_input, limits.tokens_per_request) == (
        2048,
        8191,
        300_000,
    )
    assert (limits.concurrency, limits.requests_per_minute, limits.tokens_per_minute) == (7, 11, 13)


@pytest.mark.parametrize(
    ("url", "batch_size", "n_inputs"),
    [
        (None, None, 2048),
        (None, 4000, 2048),
        ("http://127.0.0.1:1/v1", None, 128),
        ("http://127.0.0.1:1/v1", 1000, 1000),
    ],
)
def test_other_servers_get_fewer_texts_at_once_unless_told_otherwise(url, batch_size, n_inputs):
    config = replace(make_config(url), batch_size=batch_size)
    assert OpenAIEmbedder(config).limits.inputs == n_inputs


@pytest.mark.parametrize("content", [None, b"half a download"])
def test_tokens_are_estimated_where_the_vocabulary_is_not_at_hand(tmp_path, monkeypatch, content):
    file = tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"  # as tiktoken calls it
    if content:
        file.write_bytes(content)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(socket, "socket", None)  # a download fails
    embedder = OpenAIEmbedder(make_config(model="text-embedding-3-small", dimensions=None))
    assert embedder.count_tokens(["four words of text", ""]) == [6, 0]
    assert embedder.split("four words of text", 4) == ["four words ", "of text"]
    assert file.exists() == bool(content)


def test_tokens_are_counted_where_it_is():
    vocabulary = Vocabulary("text-embedding-3-small")
    if vocabulary.count([""]) is None:
        pytest.skip("tiktoken's vocabulary cl100k_base is not in its cache")
    assert vocabulary.count(["hello world", "", "a b c"]) == [2, 0, 3]
    assert Vocabulary("another-model").count(["hello world"]) is None
    text = "The quick brown fox 😀 跳过了懒狗。\n" * 200
    pieces = vocabulary.split(text, 50)
    assert "".join(pieces) == text
    assert max(vocabulary.count(pieces)) <= 50
    assert "".join(vocabulary.split("😀" * 9, 2)) == "😀" * 9


def test_a_timeout_says_how_long_was_waited(server):
    server.script = [Fault(seconds=1.0)] * 3
    error = Run(server, timeout_s=0.5, max_retries=2).stopped
    assert "no answer in 0.5 s" in str(error)

"""OpenAI, Azure OpenAI, or a server that speaks the same protocol: a client, and calls of it.

A call is tried again where that may help, and never made twice where that costs; what a service
means by an error decides: try later, another text, or give up.
"""

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from random import Random
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import openai

from lakewinnow.embedding.base import EMBEDDING, Keys, RefusedInput, TryLater
from lakewinnow.embedding.requests.sending import gave_up
from lakewinnow.errors import ProviderError, Shown
from lakewinnow.masking import masked_text
from lakewinnow.plan.words import counted

_BASE_URL: Final = "https://api.openai.com/v1"
_NO_KEY: Final = "none"  # for servers that ask for no key; the client wants one

Outcome = TryLater | RefusedInput | ProviderError

_LONGEST_REASON: Final = 300
_NO_MONEY: Final = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_TOO_LONG: Final = re.compile(  # as OpenAI, vLLM, llama.cpp and text-embeddings-inference say it
    r"maximum context length|context_length_exceeded|n_ctx|too (long|large to process)"
    r"|maximum (input|sequence|model) length|must have less than \d+ tokens",
    re.IGNORECASE,
)
_KEY: Final = re.compile(r"\b(sk|sess|Bearer)[-_ ][\w*.-]{4,}")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NEVER_SENT: Final = re.compile("Connect|Pool")  # what errors of requests are called that were not
_OF_THE_INPUT: Final = {None, "", "input"}  # what an error 400 may be about that is a text's fault

T = TypeVar("T")

_LONGEST_WAIT_S: Final = 60.0


@dataclass(frozen=True)
class Access:
    """Where a service is, and how to be let in."""

    base_url: str | None  # None: OpenAI's; Azure's endpoint, where there is an `api_version`
    api_version: str | None = None
    timeout_s: float = 60.0
    keys: Keys = EMBEDDING  # what errors call the settings

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI itself, whose prices are known."""
        host = urlsplit(self.base_url or _BASE_URL).hostname or ""
        is_theirs = host == "openai.com" or host.endswith(".openai.com")
        return self.api_version is None and is_theirs

    @property
    def key(self) -> str:
        """The key, from the environment of this process and from nowhere else.

        Raises
        ------
        ProviderError : there is none, and the service will want one
        """
        variable = "OPENAI_API_KEY" if self.api_version is None else "AZURE_OPENAI_API_KEY"
        key = os.environ.get(variable, "").strip()
        if not key and (self.api_version is not None or self.is_openai):
            hint = (
                f"export {variable}=…; on a cluster, for the executors, too: "
                f"spark.executorEnv.{variable}, or a secret of the cluster"
            )
            expected = "the key of the service in the environment"
            raise ProviderError("key_missing", variable, expected, None, hint)
        return key or _NO_KEY

    def client(self, max_retries: int = 0) -> openai.OpenAI:
        """Return a client; the caller closes it.

        Parameters
        ----------
        max_retries : 0, where who calls it tries again
        """
        options: dict[str, Any] = {
            "api_key": self.key,
            "timeout": self.timeout_s,
            "max_retries": max_retries,
        }
        if self.api_version is None:
            # Given even where it is the default: the client would look into the environment.
            return openai.OpenAI(base_url=self.base_url or _BASE_URL, **options)
        endpoint, version = str(self.base_url), self.api_version
        return openai.AzureOpenAI(azure_endpoint=endpoint, api_version=version, **options)


def outcome_of(
    error: openai.OpenAIError, secrets: Iterable[str], keys: Keys = EMBEDDING
) -> Outcome:
    """Return what to do about an error of the client.

    Parameters
    ----------
    secrets : the key and the texts, which some services repeat in what they say
    """
    if isinstance(error, openai.APIStatusError):
        reason = redacted(f"{error.status_code}: {_message(error)}", secrets)
        said = error.status_code, error.code, error.type, error.param
        return of_status(*said, reason, keys) or TryLater(reason, _wait(error.response.headers))
    cause = type(error.__cause__).__name__ if error.__cause__ else ""
    is_lost = not _NEVER_SENT.match(cause)
    if isinstance(error, openai.APITimeoutError):
        seconds = error.request.extensions.get("timeout", {}).get("read")
        reason = f"no answer in {seconds:g} s (timeout_s)" if seconds else "no answer"
        return TryLater(reason, is_lost=is_lost)
    reason = redacted(f"{error} ({cause})" if cause else str(error), secrets)
    if isinstance(error, openai.APIConnectionError):
        return TryLater(reason, is_lost=is_lost)
    return _fatal("client_failed", keys.provider, "a request that gets through", reason, "")


def of_status(
    status: int,
    code: str | None,
    kind: str | None,
    param: str | None,
    reason: str,
    keys: Keys = EMBEDDING,
) -> RefusedInput | ProviderError | None:
    """Return what an HTTP status means; None: that another try may do.

    Parameters
    ----------
    code, kind, param : as the service names them in the body of the error
    reason : one line, without secrets
    """
    if status == 402 or {code, kind} & _NO_MONEY:
        hint = "add credit, or raise the limit of the project, and run again"
        return _fatal("quota_exhausted", keys.provider, "money left to spend", reason, hint)
    if status in {408, 409, 425, 429} or status >= 500:
        return None
    if status in {401, 403}:
        hint = "check the key, and that its project may use the model"
        return _fatal("key_refused", keys.provider, "a key that the service accepts", reason, hint)
    if status == 404:
        hint = (
            f"check {keys.model} (Azure: the deployment), and {keys.base_url} (often ends in /v1)"
        )
        return _fatal("model_not_found", keys.model, "a model that the service has", reason, hint)
    param = (param or "").partition("[")[0].partition(".")[0]
    if status in {400, 413, 422} and param in _OF_THE_INPUT:
        return RefusedInput(reason, too_long=bool(_TOO_LONG.search(f"{code} {reason}")))
    where = {"model": keys.model, "dimensions": "embedding.dimensions"}.get(param, keys.provider)
    hint = "the service refuses these settings, whatever the text"
    return _fatal("request_refused", where, "a request that the service accepts", reason, hint)


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, Mapping) else None
    return str(message or error.response.reason_phrase)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return what a service says as one line, without keys and other secrets."""
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, "[…]")
    line = " ".join(masked_text(_KEY.sub("[key]", text)).split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]} …"


def _wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a service asks to wait, however it says so."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(KeyError, ValueError):
            seconds = float(headers[name]) * unit
            return None if math.isnan(seconds) else max(0.0, seconds)
    if "retry-after" in headers:
        try:
            return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
        except ValueError:
            return None
    waits = [
        _seconds(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max(waits, default=None)


def _seconds(duration: str) -> float:
    """Return what "6m0s" or "120ms" is in seconds."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))


def _fatal(code: str, where: str, expected: str, got: str, hint: str) -> ProviderError:
    return ProviderError(code, where, expected, Shown(got), hint)


@dataclass(frozen=True)
class Calls:
    """Makes calls of a client that does not try again by itself."""

    access: Access  # of the client; its key is not shown
    max_retries: int  # of each call
    refused: tuple[str, str]  # key of the configuration, and what the service was expected to take
    sleep: Callable[[float], object] = time.sleep  # waits so many seconds
    random: Random = field(default_factory=partial(Random, 0))

    def unless_gone(self, call: Callable[[], T]) -> T | None:
        """Call until there is an answer; None, where the service knows no such thing."""

        def ask() -> T | None:
            try:
                return call()
            except openai.NotFoundError:
                return None

        return self.persistently(ask)

    def persistently(
        self, call: Callable[[], T], instead: Callable[[], T | None] | None = None
    ) -> T:
        """Call until there is an answer; after a failure, see first if there is one `instead`."""
        reason = ""
        for n_failures in range(1, self.max_retries + 2):
            try:
                return call()
            except openai.OpenAIError as error:
                outcome = outcome_of(error, [self.access.key], self.access.keys)
            if isinstance(outcome, ProviderError):
                raise outcome
            if not isinstance(outcome, TryLater):
                where, expected = self.refused
                raise ProviderError("request_refused", where, expected, Shown(outcome.reason))
            reason = outcome.reason
            back_off = self.random.uniform(0, min(_LONGEST_WAIT_S, 2.0**n_failures))
            self.sleep(back_off if outcome.after is None else min(outcome.after, _LONGEST_WAIT_S))
            if instead is not None and (found := instead()) is not None:
                return found
        expected = f"an answer within {counted(self.max_retries + 1, 'attempt')}"
        raise gave_up(expected, reason, self.access.keys)

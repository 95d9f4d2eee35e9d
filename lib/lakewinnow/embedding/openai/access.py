"""A client of OpenAI, of Azure OpenAI, or of a server that speaks the same protocol."""

import os
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import openai

from lakewinnow.embedding.base import EMBEDDING, Keys
from lakewinnow.errors import ProviderError

_BASE_URL: Final = "https://api.openai.com/v1"
_NO_KEY: Final = "none"  # for servers that ask for no key; the client wants one


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

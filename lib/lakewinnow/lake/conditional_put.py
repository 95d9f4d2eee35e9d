"""Put an object in another's place only if nobody else has replaced that one meanwhile.

S3, Google's and Azure's stores take a condition with what is put; pyarrow has no way to say it, so
obstore puts it. A store that does not know the condition, or does not let obstore in (its ways to
find credentials are fewer), is written to without one: then a run's claim alone keeps others away.
"""

import logging
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from lakewinnow.lake.files import as_uri
from lakewinnow.spark.sessions.object_stores import endpoint_of, is_s3

_S3A: Final = re.compile(r"^s3[an]:", re.IGNORECASE)
_RETRIES: Final = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
_LOG = logging.getLogger(__name__)


class ReplacedError(Exception):
    """Somebody else has replaced the object."""


@dataclass(frozen=True)
class Seen:
    """An object as it was when it was looked at.

    Attributes
    ----------
    mode : what obstore is told to put it under: the tags of the object that is there, or "create"
    """

    store: Any
    name: str
    mode: Any

    def replace(self, content: bytes) -> bool:
        """Put other content in its place.

        Returns
        -------
        whether that was done; the store may not know how

        Raises
        ------
        ReplacedError
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            obstore.put(self.store, self.name, content, mode=self.mode)
        except (AlreadyExistsError, PreconditionError) as error:
            # The answer to a first try may have been lost, and ours be what is there.
            if bytes(obstore.get(self.store, self.name).bytes()) != content:
                raise ReplacedError(self.name) from error
        except (BaseError, OSError) as error:
            _LOG.debug("put without a condition: %s", error)
            return False
        return True


def look_at(folder: str, name: str) -> Seen | None:
    """Return an object of a folder in an object store as it is now; None: that cannot be told.

    Parameters
    ----------
    folder : URI
    """
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        store = from_url(as_uri(_S3A.sub("s3:", folder)), **_options(folder))
        found = obstore.head(store, name)
    except FileNotFoundError:
        return Seen(store, name, "create")
    except (BaseError, OSError, ValueError) as error:
        _LOG.debug("no condition for what is put: %s", error)
        return None
    tags = {key: found[key] for key in ("e_tag", "version") if found.get(key) is not None}
    return Seen(store, name, tags) if tags else None


def _options(folder: str) -> dict[str, Any]:
    """Return what obstore does not read from the environment itself."""
    options: dict[str, Any] = {"retry_config": _RETRIES}
    endpoint = endpoint_of(os.environ) if is_s3(folder) else None
    if endpoint is not None:
        options["config"] = {"aws_endpoint": endpoint}
        options["client_options"] = {"allow_http": endpoint.startswith("http://")}
    return options

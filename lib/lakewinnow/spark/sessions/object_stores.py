"""Object stores by one name and one set of environment variables, whichever engine reads them.

What Sail calls ``s3://`` is ``s3a://`` to Spark, whose ``s3://`` is no scheme at all in most
installations. Sail's server and pyarrow each know some of the variables that name an endpoint.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import pyarrow as pa
from pyspark.sql import SparkSession

from lakewinnow.spark.sessions.engines import is_sail

_S3: Final = re.compile(r"^s3[an]?:/(?=/)", re.IGNORECASE)
# A small object is written by one request, not three; pyarrow 21 is the first that knows this.
_OPTIONS: Final = ["allow_delayed_open=true"] if int(pa.__version__.split(".")[0]) >= 21 else []
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def engine_path(spark: SparkSession, path: str) -> str:
    """Return a path as the session's engine calls it: s3:// on Sail, s3a:// on Spark."""
    return _S3.sub("s3:/" if is_sail(spark) else "s3a:/", path)


def is_s3(path: str) -> bool:
    """Whether a path is in a store that speaks S3."""
    return _S3.match(path) is not None


def endpoint_of(given: Mapping[str, str]) -> str | None:
    """Return the address of the S3 server that environment variables name; None: Amazon's own."""
    return next((given[name] for name in _ENDPOINTS if given.get(name)), None)


def server_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return what Sail's server wants said besides: it takes no plain HTTP unless told to."""
    endpoint = endpoint_of(given)
    if endpoint is None:
        return {}
    http = {"AWS_ALLOW_HTTP": "true"} if endpoint.startswith("http://") else {}
    return {"AWS_ENDPOINT_URL": endpoint, **http}


def arrow_uri(path: str, given: Mapping[str, str]) -> str:
    """Return the URI of an S3 path for pyarrow, with the endpoint in it if there is one."""
    options, endpoint = list(_OPTIONS), endpoint_of(given)
    if endpoint is not None:
        scheme, _, host = endpoint.rpartition("://")
        override = quote(host.rstrip("/"), safe="")
        options += [f"scheme={scheme or 'https'}", f"endpoint_override={override}"]
    return f"{path}?{'&'.join(options)}" if options else path

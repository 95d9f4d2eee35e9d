"""An object store has one name and one endpoint, whichever engine and library reads it."""

import pytest
from pyarrow import fs

from lakewinnow.spark.sessions.engines import is_sail
from lakewinnow.spark.sessions.object_stores import (
    arrow_uri,
    engine_path,
    is_s3,
    server_environment,
)

PLAIN = "http://127.0.0.1:9000"


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n", "S3A"])
def test_a_store_is_called_what_the_engine_calls_it(spark, scheme):
    own = "s3" if is_sail(spark) else "s3a"
    assert is_s3(f"{scheme}://bucket/a")
    assert engine_path(spark, f"{scheme}://bucket/a") == f"{own}://bucket/a"


@pytest.mark.parametrize("path", ["/data/s3/a", "gs://s3/a", "hdfs://s3a/b", "s3", "s3file:/a"])
def test_other_paths_stay(spark, path):
    assert not is_s3(path)
    assert engine_path(spark, path) == path


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_any_of_the_endpoint_variables_will_do(name):
    assert server_environment({name: PLAIN}) == {
        "AWS_ENDPOINT_URL": PLAIN,
        "AWS_ALLOW_HTTP": "true",
    }
    uri = arrow_uri("s3://b/x", {name: PLAIN})
    assert uri.startswith("s3://b/x?")
    assert uri.endswith("scheme=http&endpoint_override=127.0.0.1%3A9000")
    assert fs.FileSystem.from_uri(uri)[1] == "b/x"  # pyarrow refuses an option it does not know


def test_an_endpoint_is_secure_unless_it_says_otherwise():
    given = {"AWS_ENDPOINT_URL": "https://store.example/"}
    assert server_environment(given) == given
    assert "scheme=https&endpoint_override=store.example" in arrow_uri("s3://b/x", given)


def test_without_an_endpoint_it_is_amazon():
    assert server_environment({"AWS_REGION": "eu-central-1"}) == {}
    uri = arrow_uri("s3://b/x", {"AWS_ENDPOINT_URL": ""})
    assert uri.partition("?")[0] == "s3://b/x"
    assert "endpoint" not in uri

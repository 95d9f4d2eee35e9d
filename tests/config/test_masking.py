"""Secrets: planted in every string of a configuration, in none of what is written or shown."""

from pathlib import Path

import pytest
import yaml

import lakewinnow
from builders import make_config, messages, write_csv
from lakewinnow.config.file import dump, parse_config, to_dict
from lakewinnow.errors import ConfigError, DataError
from lakewinnow.masking import masked, masked_text

SECRET = "hunter2hunter2hunter2"  # noqa: S105 - it opens nothing
SHAPES = [
    f"https://user:{SECRET}@host/v1",
    f"https://{SECRET}@host/v1",
    f"s3://user:{SECRET}@bucket/x",
    f"https://host/x?sig={SECRET}&x=1",
    f"https://host/x?a=1&X-Amz-Signature={SECRET}",
    f"https://host/x?api_key={SECRET}",
    f"AccountName=me;AccountKey={SECRET};x=y",
    f"jdbc:postgresql://host/db?user=me&password={SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"sk-{SECRET}",
    f"hf_{SECRET}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
]
PLAIN = [
    "abfss://container@account.dfs.core.windows.net/x",
    "data/label=01/key=a/train.parquet",
    "https://host:8080/v1?version=2",
    "sentence-transformers/all-MiniLM-L6-v2",
    "my secret question",
    "me@example.com",
    "https://host/?author=me",
]


def planted(value, secret):
    """Return a value with the secret in place of every string."""
    if isinstance(value, dict):
        return {name: planted(inner, secret) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [planted(inner, secret) for inner in value]
    return secret if value is None or isinstance(value, str) else value


@pytest.mark.parametrize("secret", SHAPES)
def test_no_string_of_the_configuration_shows_a_secret_by_its_shape(secret):
    whole = planted(to_dict(make_config("rows.csv", "workspace")), secret)
    whole["embedding"]["options"] = {"a": {"b": [secret]}}
    shown = yaml.safe_dump(masked(whole))
    assert shown.count("***") > 40
    assert SECRET not in shown


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text):
    assert masked_text(text) == text
    assert masked({"path": text, "max_tokens_per_minute": 5, "class_weight": {"password": 2}}) == {
        "path": text,
        "max_tokens_per_minute": 5,
        "class_weight": {"password": 2},
    }


@pytest.mark.parametrize("name", ["api_key", "password", "pwd", "sas", "credentials", "authToken"])
@pytest.mark.parametrize("value", [SECRET, 1234567, [SECRET], {"a": {"b": SECRET}}])
def test_what_a_name_says_is_a_secret_is_none_of_ours_to_show(name, value):
    options = {"deep": [{name: value}], name: value}
    for section in ({"embedding": {"options": options}}, {"crossval": {"params": options}}):
        shown = yaml.safe_dump(masked(section))
        assert SECRET not in shown
        assert "1234567" not in shown


def test_an_error_shows_no_secret():
    error = DataError("x", "input.path", "a table", f"s3://a:{SECRET}@b", f"try ?sig={SECRET}")
    assert SECRET not in f"{error} {error.hint}"
    assert SECRET not in str(ConfigError("x", "embedding.options.password", "a number", SECRET))
    assert str(ConfigError("x", "input.text", "a column", "secret")).endswith("'secret'")


def test_no_artefact_of_a_run_holds_a_secret(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(40), ("text", "label"))
    config = make_config(
        path,
        tmp_path / "workspace",
        embedding={
            "options": {"api_key": SECRET, "deep": {"url": f"https://h/?sig={SECRET}"}},
            "openai": {"base_url": f"https://user:{SECRET}@host/v1"},
        },
        crossval={"folds": 2},
    )
    result = lakewinnow.run(config, spark)
    assert SECRET not in f"{result.manifest} {result.summary} {dump(config)}"
    files = [file for file in Path(tmp_path / "workspace").rglob("*") if file.is_file()]
    assert {"config.yaml", "manifest.json", "report.html"} <= {file.name for file in files}
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
    assert parse_config(to_dict(config)) == config  # what is used is not masked

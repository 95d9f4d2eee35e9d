"""Secrets: planted in every string of a configuration, in none of what is written or shown."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import builders
import lakewinnow
from builders import make_config, messages, write_csv
from lakewinnow.cli import exit_code_of
from lakewinnow.config.file import dump, parse_config, to_dict
from lakewinnow.errors import ConfigError, DataError
from lakewinnow.masking import masked, masked_text
from lakewinnow.spark.sessions import java

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
    "Basic training",
    "bearer securities",
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


def leaves(value, above=""):
    """Yield the keys of a configuration that hold a text, or may."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{above}.{name}".lstrip("."))
    elif value is None or isinstance(value, str):
        yield above


@pytest.fixture
def said(capsys, caplog):
    """Run the command in this process: exit code, and all that it says, its log among it."""
    caplog.set_level(logging.DEBUG)

    def run(*arguments):
        capsys.readouterr()
        caplog.clear()
        exit_code = exit_code_of(list(map(str, arguments)))
        return exit_code, "".join(capsys.readouterr()) + caplog.text

    return run


@pytest.mark.usefixtures("spark")
def test_number_8_whatever_key_has_a_secret_no_command_shows_it(tmp_path, said):
    raw = {
        "input": {
            "path": str(write_csv(tmp_path / "rows.csv", messages(40))),
            "text": "text",
            "label": "label",
        },
        "workspace": str(tmp_path / "workspace"),
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(raw))
    keys = list(leaves(to_dict(parse_config(raw))))
    shown = {}
    for key in keys:
        value = f"{key}=https://user:{SECRET}@host/x?sig={SECRET}&api_key={SECRET}"
        _, shown[key] = said("plan", config, "--set", value)
    assert len(keys) > 80
    assert [key for key, text in shown.items() if SECRET in text] == []


SECRETS_OF_A_RUN = {
    "embedding": {
        "options": {"api_key": SECRET, "deep": {"url": f"https://h/?sig={SECRET}"}},
        "openai": {"base_url": f"https://user:{SECRET}@host/v1", "api_version": f"sk-{SECRET}"},
    },
    "finetune": {"base_url": f"https://{SECRET}@host/v1", "suffix": f"hf_{SECRET}"},
}


def test_number_8_no_artefact_of_a_run_holds_a_secret(spark, tmp_path, said):
    path = write_csv(tmp_path / "rows.csv", messages(40), ("text", "label"))
    sections = SECRETS_OF_A_RUN
    config = make_config(path, tmp_path / "workspace", crossval={"folds": 2}, **sections)
    whole = tmp_path / "config.yaml"
    whole.write_text(yaml.safe_dump(to_dict(config)))
    for arguments in (["run", whole, "--debug"], ["plan", whole, "--json"], ["top", whole]):
        exit_code, text = said(*arguments)
        assert exit_code == 0
        assert SECRET not in text
    result = lakewinnow.run(config, spark)
    assert SECRET not in f"{result.manifest} {result.summary} {result!r} {dump(config)}"
    files = [file for file in Path(tmp_path / "workspace").rglob("*") if file.is_file()]
    assert {"config.yaml", "manifest.json", "summary.json", "report.html"} <= {
        file.name for file in files
    }
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
    assert parse_config(to_dict(config)) == config  # what is used is not masked


OF_SPARKS_PAGES = """
import json, sys, urllib.request
import lakewinnow
from lakewinnow.spark.sessions.session import session
from pyspark.sql import SparkSession
from builders import make_config
spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.port", "0")
    .config("spark.sql.shuffle.partitions", "1").getOrCreate()
)
config = make_config(sys.argv[1], sys.argv[2], crossval={"folds": 2}, **json.load(sys.stdin))
lakewinnow.run(config, spark)
address = spark.sparkContext.uiWebUrl
start = f"{address}/api/v1/applications/{spark.sparkContext.applicationId}"
for page in ("environment", "jobs", "stages", "sql?details=true&length=10000", "executors"):
    print(urllib.request.urlopen(f"{start}/{page}").read().decode())
"""


@pytest.mark.slow
def test_number_8_no_page_of_sparks_shows_a_secret(tmp_path):
    java.find()
    path = write_csv(tmp_path / "rows.csv", messages(40))
    arguments = [sys.executable, "-c", OF_SPARKS_PAGES, path, tmp_path / "workspace"]
    paths = [str(Path(builders.__file__).parent), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    sections = json.dumps(SECRETS_OF_A_RUN)
    ended = subprocess.run(
        arguments, check=True, capture_output=True, text=True, env=environment, input=sections
    )
    pages = ended.stdout
    assert "WholeStageCodegen" in pages
    found = pages.find(SECRET)
    assert found < 0, pages[max(0, found - 300) : found + 50]

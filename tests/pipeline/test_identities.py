"""What decides a stage's result, as hashes by key."""

from dataclasses import replace

import pytest

from builders import make_config, write_csv
from lakewinnow.pipeline import identities
from lakewinnow.pipeline.catalog import graph_of
from lakewinnow.plan.stage import Stage


def settings(name, **sections):
    config = make_config("unused.csv", **sections)
    return identities.settings_of(graph_of(config)[name], config, {})


def listed(**openai):
    return {"candidates": [{"dimensions": 64}, {"provider": "openai", "openai": openai}]}


def test_how_a_candidate_s_service_is_asked_decides_nothing():
    before = settings("candidates", embedding=listed(base_url="http://a"))
    assert settings("candidates", embedding=listed(base_url="http://a", timeout_s=3)) == before
    after = settings("candidates", embedding=listed(base_url="http://b"))
    assert after["embedding.candidates"] != before["embedding.candidates"]


def test_settings_are_those_of_the_keys_alone():
    found = settings("crossval", crossval={"params": {"C": 0.5}})
    assert found["crossval.params.C"] == 0.5
    assert {key.partition(".")[0] for key in found} == {"crossval"}
    assert "embedding.batch_size" not in settings("embed")


def test_what_is_resolved_takes_the_place_of_a_setting():
    config = make_config("unused.csv", crossval={"mode": "auto"})
    stage = graph_of(config)["crossval"]
    found = identities.settings_of(stage, config, {"crossval.mode": "shard", "other": 1})
    assert found["crossval.mode"] == "shard"
    assert "other" not in found


def test_a_trusted_holdout_is_halved_or_not_whatever_is_chosen():
    evaluate = {"holdout": "trusted.csv"}
    found = [
        settings("holdout", evaluate=evaluate, clean={"label_issues": action})
        for action in ("fix", "drop", "auto")
    ]
    assert found[0] == found[1] != found[2]


def test_a_hash_shows_nothing_of_a_value():
    [(key, value)] = identities.hashes({"input.options.password": "hunter2"}).items()
    assert key == "input.options.password"
    assert "hunter2" not in value
    assert identities.hashes({key: "hunter3"}) != {key: value}


def test_a_file_that_a_key_names_counts_by_its_content(tmp_path):
    path = write_csv(tmp_path / "reference.csv", [("a", "b")])
    config = make_config("unused.csv", evaluate={"reference": str(path)})
    stage = Stage(
        name="x", title="x", purpose="x", run="lakewinnow.x:x", outside=("evaluate.reference",)
    )
    before = identities.outside_of(stage, config, None)
    assert before["evaluate.reference"]
    write_csv(path, [("a", "c")])
    assert identities.outside_of(stage, config, None) != before
    nowhere = replace(config, evaluate=replace(config.evaluate, reference=None))
    assert identities.outside_of(stage, nowhere, None) == {"evaluate.reference": ""}


@pytest.mark.parametrize("path", ["builders:make_config", "json:loads", "json.loads"])
def test_number_4_the_code_of_others_counts_and_ours_has_a_version(path):
    code = (path, "lakewinnow.pipeline:run")
    stage = Stage(name="x", title="x", purpose="x", run=print, code=code)
    [(name, found)] = identities.outside_of(stage, make_config("unused.csv"), None).items()
    assert name == f"code of {path}"
    assert len(found) == 64

"""Stages declared in any order, and which needs which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import make_config
from lakewinnow.errors import ConfigError
from lakewinnow.plan.graph import Graph
from lakewinnow.plan.stage import Stage, loaded

CONFIG = make_config("unused.csv")


def stage(name, reads=(), writes=(), **others):
    return Stage(
        name=name, title=name, purpose=name, run=print, reads=reads, writes=writes, **others
    )


STAGES = [
    stage("ingest", writes=("corpus",)),
    stage("embed", ("corpus",), ("vectors",)),
    stage("neighbors", ("vectors",), ("near",), on_demand=True),
    stage(
        "outliers", ("near",), ("checks/outliers",), is_on=lambda c: c.checks.outliers is not None
    ),
    stage("pii", ("corpus",), ("checks/pii",)),
    stage("decide", ("corpus", "checks/*", "choice?"), ("issues",)),
    stage("finetune", ("issues",), by_default=False),
]


def graph(stages=STAGES, config=CONFIG):
    return Graph.of(stages, config)


def test_a_stage_needs_those_that_write_what_it_reads():
    found = graph()
    assert found.needs["embed"] == ("ingest",)
    assert found.needs["decide"] == ("ingest", "pii")  # outliers is off, nobody writes a choice


def test_a_check_that_is_turned_on_is_needed_by_what_reads_all_checks():
    found = graph(config=make_config("unused.csv", checks={"outliers": {}}))
    assert found.needs["decide"] == ("ingest", "outliers", "pii")
    assert found.needs["outliers"] == ("neighbors",)


def test_an_optional_table_is_read_where_a_stage_writes_it():
    found = graph([*STAGES, stage("choose", ("corpus",), ("choice",))])
    assert found.needs["decide"] == ("ingest", "pii", "choose")
    assert list(found).index("choose") < list(found).index("decide")  # though declared after


def test_only_what_a_stage_needs_runs():
    assert list(graph().up_to("pii")) == ["ingest", "pii"]
    assert list(graph().up_to("pii", "embed")) == ["ingest", "embed", "pii"]


def test_by_default_neither_what_nobody_reads_nor_what_is_to_be_named():
    assert list(graph().up_to()) == ["ingest", "embed", "pii", "decide"]
    assert "finetune" in graph().up_to("finetune")


def test_what_needs_a_stage():
    assert graph().what_needs("pii") == {"pii", "decide", "finetune"}
    assert graph().what_needs("embed") == {"embed", "neighbors"}


@pytest.mark.parametrize(
    ("code", "stages"),
    [
        ("duplicate_stage", [stage("a"), stage("a")]),
        ("two_writers", [stage("a", writes=("t",)), stage("b", writes=("t",))]),
        ("no_writer", [stage("a", ("t",))]),
        ("circle", [stage("a", ("t",), ("u",)), stage("b", ("u",), ("t",))]),
    ],
)
def test_declarations_that_do_not_fit(code, stages):
    with pytest.raises(ConfigError) as caught:
        graph(stages)
    assert caught.value.code == code


def test_a_stage_that_is_not_there():
    with pytest.raises(ConfigError) as caught:
        graph().up_to("embd")
    assert (caught.value.code, caught.value.where) == ("unknown_stage", "until")
    assert "embed" in caught.value.hint


def test_a_stage_that_is_off():
    off = stage("drift", is_on=lambda _: False, turned_on_by="checks.drift.reference")
    with pytest.raises(ConfigError) as caught:
        graph([*STAGES, off]).up_to("drift")
    assert caught.value.code == "stage_off"
    assert caught.value.hint == "checks.drift.reference turns it on"


def test_reads_may_depend_on_the_configuration():
    def reads(config):
        return ("vectors",) if config.checks.outliers else ("corpus",)

    stages = [*STAGES, stage("x", reads)]
    assert graph(stages).needs["x"] == ("ingest",)
    assert graph(stages, make_config("unused.csv", checks={"outliers": {}})).needs["x"] == (
        "embed",
    )


def fingerprints(found, **own):
    made = {}
    for name in found:
        needed = {need: made[need] for need in found.needs[name]}
        made[name] = found.fingerprint(name, own.get(name), needed)
    return made


def test_a_fingerprint_changes_with_what_the_stage_needs():
    before, after = fingerprints(graph()), fingerprints(graph(), embed="another model")
    assert {name for name in before if before[name] != after[name]} == {"embed", "neighbors"}
    newer = [stage("pii", ("corpus",), ("checks/pii",), version=2)]
    after = fingerprints(graph([s for s in STAGES if s.name != "pii"] + newer))
    assert {name for name in before if before[name] != after[name]} == {"pii", "decide", "finetune"}


def test_a_function_named_by_its_path_is_imported_late():
    assert loaded("builders:make_config") is make_config
    assert loaded(print) is print


@given(st.permutations(range(len(STAGES))))
def test_any_order_of_declarations_gives_the_same_needs(order):
    found = graph([STAGES[i] for i in order])
    assert {n: set(of) for n, of in found.needs.items()} == {
        n: set(of) for n, of in graph().needs.items()
    }
    places = {name: i for i, name in enumerate(found)}
    assert all(places[need] < places[name] for name in found for need in found.needs[name])

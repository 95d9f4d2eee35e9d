"""What may not be read or written is said before a session starts."""

import os
import subprocess
import sys

import pytest

from builders import make_config, write_csv
from lakewinnow.errors import DataError
from lakewinnow.lake import access

CAN_GIVE_UP_RIGHTS = sys.platform == "linux" and os.geteuid() == 0


@pytest.fixture
def places(tmp_path):
    """A file and a folder that may be used, and one of each that may not."""
    for name in ("open", "mixed"):
        (tmp_path / name).mkdir()
    for name in ("open/rows.csv", "secret.csv", "mixed/a.csv", "mixed/b.csv"):
        write_csv(tmp_path / name, [("a", "x"), ("b", "y")])
    (tmp_path / "closed").mkdir()
    for name, mode in (("secret.csv", 0), ("mixed/b.csv", 0), ("closed", 0)):
        (tmp_path / name).chmod(mode)
    yield tmp_path
    (tmp_path / "closed").chmod(0o700)


def problems_of(path, workspace, **sections):
    """Return codes and keys; as another user than root, who may do all."""
    code = (
        "import sys; from builders import make_config; from lakewinnow.lake import access\n"
        "from lakewinnow.errors import DataError\n"
        f"config = make_config({str(path)!r}, {str(workspace)!r}, **{sections!r})\n"
        "try: access.check(config)\n"
        "except DataError as error:\n"
        "    for problem in error.problems: print(problem.code, problem.where, problem)"
    )
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    command = [*(without if CAN_GIVE_UP_RIGHTS else []), sys.executable, "-c", code]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return [tuple(line.split(" ", 2)) for line in ran.stdout.splitlines()]


def test_every_place_that_cannot_be_used_is_named(places):
    found = problems_of(
        places / "secret.csv",
        places / "closed" / "run",
        evaluate={"reference": str(places / "mixed")},
        clean={"decisions": str(places / "closed" / "decisions.csv")},
        embedding={"store": str(places / "open" / "rows.csv" / "store")},
    )
    assert [(code, key) for code, key, _ in found] == [
        ("not_readable", "input.path"),
        ("not_readable", "clean.decisions"),
        ("not_readable", "evaluate.reference"),
        ("not_writable", "workspace"),
        ("not_writable", "embedding.store"),
    ]
    assert f"got {places}/secret.csv (Permission denied)" in found[0][2]
    assert f"got {places}/mixed/b.csv (Permission denied)" in found[2][2]
    assert f"got {places}/open/rows.csv/store (Not a directory)" in found[4][2]


def test_what_can_be_used_is_left_as_it_is(places):
    before = sorted(places.rglob("*"))
    config = make_config(places / "open", places / "new" / "run", input={"format": "csv"})
    access.check(config)
    access.check(make_config("s3://bucket/rows.csv", "s3a://bucket/run"))
    access.check(make_config(places / "not there.csv", places / "run"))  # which reading it says
    assert sorted(places.rglob("*")) == before


def test_a_workspace_below_a_file_is_an_error(places):
    with pytest.raises(DataError) as caught:
        access.check(
            make_config(places / "open", places / "open/rows.csv/run", input={"format": "csv"})
        )
    assert (caught.value.code, caught.value.where) == ("not_writable", "workspace")

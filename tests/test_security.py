"""What an input, a configuration or a workspace of somebody else's cannot do."""

import ast
import os
import pickle
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import lakewinnow
from builders import ROOT, make_config, messages, write_csv
from lakewinnow.cli import exit_code_of
from lakewinnow.config.file import load_config, to_dict
from lakewinnow.errors import ConfigError
from lakewinnow.printable import one_line, printable

PACKAGE = ROOT / "lib" / "lakewinnow"
CONTROLS = "\x1b]0;title\x07\x1b[2Jgone\x9b2J\x08\u202eesrever"

# Only what this process or one of its workers has made in the same run.
UNPICKLES = {
    "classifiers/tasks.py",
    "stages/own_vectors.py",
    "stages/crossval/settling.py",
    "spark/sail/worker.py",
    "spark/sail/workers.py",
}
LOADERS = {"load", "loads", "Unpickler", "read_pickle"}
OF_PICKLES = {"pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve"}

# In a network namespace of its own, which has no route: a process's own address is all there is.
WITHOUT_A_NETWORK = """
import fcntl, socket, struct, sys
up = struct.pack("16sh14x", b"lo", 0x41)
fcntl.ioctl(socket.socket(), 0x8914, up)
with socket.socket() as out:
    out.settimeout(5)
    assert out.connect_ex(("192.0.2.1", 443)), "there is a route"
from lakewinnow.cli import exit_code_of
sys.exit(exit_code_of(sys.argv[1:]))
"""


UNSHARED = ["unshare", "-rn"]


def can_unshare():
    try:
        return not subprocess.run([*UNSHARED, "true"], check=False).returncode
    except OSError:
        return False


def without_a_network(*arguments):
    command = [*UNSHARED, sys.executable, "-c", WITHOUT_A_NETWORK, *map(str, arguments)]
    path = os.pathsep.join([str(ROOT / "lib"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OPENAI_API_KEY": "none"}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


@pytest.mark.slow
@pytest.mark.skipif(not can_unshare(), reason="needs unshare -rn")
def test_nothing_but_a_provider_uses_the_network(tmp_path):
    pytest.importorskip("pysail")
    config = tmp_path / "config.yaml"
    whole = make_config(
        write_csv(tmp_path / "rows.csv", messages(40)),
        tmp_path / "out",
        crossval={"folds": 2},
        checks={"outliers": {}, "near_duplicates": {}, "imbalance": {}, "text": {}},
    )
    config.write_text(yaml.safe_dump(to_dict(whole)))
    ended = without_a_network("run", config, "--engine", "sail")
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    asks = ("embedding.provider=openai", "embedding.openai.max_retries=0")
    elsewhere = f"workspace={tmp_path / 'other'}"
    sets = [word for value in (*asks, elsewhere) for word in ("--set", value)]
    ended = without_a_network("run", config, "--engine", "sail", *sets)
    assert (ended.returncode, "Traceback" in ended.stderr) == (5, False), ended.stderr


def test_names_in_the_rows_do_not_lead_out_of_the_workspace(spark, tmp_path):
    home = tmp_path / "a" / "b" / "c"
    home.mkdir(parents=True)
    names = ["../../escaped", "/tmp/escaped", "..", "a/../../../b"]  # noqa: S108
    rows = [(text, label) for text, label in messages(80)]
    table = pa.table(
        {
            "text": [text for text, _ in rows],
            "label": [names[i % 2] for i in range(80)],
            "id": [f"../{i}" for i in range(80)],
            "part": [names[i // 2 % 4] for i in range(80)],
        }
    )
    pq.write_table(table, home / "rows.parquet")
    config = make_config(
        home / "rows.parquet",
        home / "out",
        input={"id": "id"},
        output={"partition_by": ["part"]},
        export={"format": "openai-chat"},
        crossval={"folds": 2},
    )
    result = lakewinnow.run(config, spark)
    assert result.rows["in"] == 80
    found = {path.relative_to(home).parts[0] for path in home.rglob("*")}
    assert found == {"rows.parquet", "out"}
    assert [path for path in tmp_path.rglob("*") if home not in [path, *path.parents]] == [
        tmp_path / "a",
        tmp_path / "a" / "b",
    ]
    values = {unquote(path.name) for path in (home / "out" / "clean").glob("part=*")}
    assert values == {f"part={name}" for name in names}


def test_control_sequences_do_not_reach_the_terminal(spark, tmp_path, capsys):
    texts = [(f"{CONTROLS} {text}", f"{CONTROLS} {label}") for text, label in messages(60)]
    path = write_csv(tmp_path / "rows.csv", texts)
    whole = make_config(path, tmp_path / "out", crossval={"folds": 2})
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(to_dict(whole)))
    lakewinnow.run(whole, spark)
    capsys.readouterr()
    for arguments in (
        ["run", config],
        ["plan", config],
        ["top", config],
        ["plan", config, "--set", f"input.text={CONTROLS!r}"],
        ["plan", config, "--set", f"input.{CONTROLS}=1"],
    ):
        exit_code_of(list(map(str, arguments)))
        said = "".join(capsys.readouterr())
        assert "gone" in said or arguments[0] in ("run", "plan")
        assert not set(said) & set(CONTROLS.replace("gone", "")) - set(" ]0;title[2Jesrever")
    assert printable("a\x1b[2Jb\nc\ud800") == "a\\x1b[2Jb\nc\\ud800"
    assert one_line("a\nb") == "a\\nb"


def test_nothing_of_a_workspace_is_unpickled():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in LOADERS:
                of = node.value.id if isinstance(node.value, ast.Name) else ""
                if of in OF_PICKLES or node.attr in ("Unpickler", "read_pickle"):
                    found.add(str(path.relative_to(PACKAGE)))
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert node.value.value is False
            if isinstance(node, ast.ImportFrom) and node.module in OF_PICKLES:
                assert not {name.name for name in node.names} & LOADERS
    assert found == UNPICKLES


class Planted:
    """What runs where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_configuration_makes_no_objects(tmp_path):
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(Planted(mark)))  # noqa: S301
    assert mark.exists()  # it would
    mark.unlink()
    path = tmp_path / "config.yaml"
    for text in (
        f"input: !!python/object/apply:os.system ['touch {mark}']",
        f"input: !!python/object/apply:pathlib.Path.touch [!!python/name:x '{mark}']",
    ):
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert caught.value.code == "not_yaml"
    assert not mark.exists()

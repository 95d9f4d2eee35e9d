"""Workers behind a real Sail server, which runs in the process that `SCRIPT` is run in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakewinnow.errors import DataError
from lakewinnow.spark.sail import workers

SCRIPT = """
import json, os, time
from lakewinnow.cli import _in_plain_words, _last_line
from lakewinnow.errors import DataError
from lakewinnow.spark.arrow.functions import apply_to_groups, map_batches
from lakewinnow.spark.sail import workers
from lakewinnow.spark.arrow.udf import on_arrow

workers.start(2)

import pyarrow as pa
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.types import LongType, StructField, StructType

server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
ID = StructType([StructField("id", LongType())])

def ids(batches):
    for batch in batches:
        yield pa.record_batch({"id": [os.getpid()] * len(batch)})

def raises(batches):
    raise DataError("ragged", "column x", "3 numbers", 2)
    yield

def dies(batches):
    os.kill(os.getpid(), 9)
    yield

def fault_of(function):
    try:
        map_batches(spark.range(3), function, ID).collect()
    except Exception as error:
        return error

rows = spark.range(100_000).repartition(2)
group = apply_to_groups(
    rows.withColumn("g", F.col("id") % 2), ["g"], lambda table: pa.table({"id": [os.getpid()]}), ID
)
udf = on_arrow(lambda ids: pa.array([os.getpid()] * len(ids), pa.int64()), LongType())
batches = [row.id for row in map_batches(rows, ids, ID).distinct().collect()]
first = len(map_batches(rows, ids, ID).limit(1).collect())
end = time.monotonic() + 20
while (n_idle := len(workers._pool._idle)) < 2 and time.monotonic() < end:
    time.sleep(0.01)
error, lost = fault_of(raises), fault_of(dies)
found = {
    "here": os.getpid(),
    "batches": batches,
    "group": [row.id for row in group.collect()],
    "array": [row.id for row in spark.range(3).select(udf("id").alias("id")).collect()],
    "first": first,
    "idle": n_idle,
    "after": map_batches(rows, ids, ID).count(),
    "raised": _last_line(error)[:2],
    "lost": _in_plain_words(lost)[1],
}
print(json.dumps(found), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def found():
    pytest.importorskip("pysail")
    lib = Path(workers.__file__).parents[3]
    environment = {"PYTHONPATH": str(lib), "SAIL_EXECUTION__DEFAULT_PARALLELISM": "2"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_functions_run_in_other_processes(found):
    assert len(found["batches"]) == 2  # one a partition
    for name in ("batches", "group", "array"):
        assert found["here"] not in found[name]


def test_a_query_that_wants_no_more_gets_its_worker_back(found):
    assert found["first"] == 1
    assert found["idle"] == 2
    assert found["after"] == 100_000


def test_faults_reach_the_client_as_on_spark(found):
    assert found["raised"] == [DataError.exit_code, "column x: expected 3 numbers, got 2"]
    assert "was killed or crashed" in found["lost"]

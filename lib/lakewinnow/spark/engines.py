"""Which engine is behind a session."""

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession


def is_sail(spark: SparkSession) -> bool:
    """Whether the session is Sail's: it speaks Spark Connect, and has no Spark master."""
    try:
        return spark.conf.get("spark.master", None) is None
    except PySparkException:
        return False

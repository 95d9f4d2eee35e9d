"""CSV and JSON lines, read as Spark reads them, by an engine that is not Spark.

The way in is `reading`.
"""

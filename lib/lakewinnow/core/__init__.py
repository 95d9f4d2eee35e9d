"""The arithmetic: NumPy only, no Spark, pandas or pyarrow."""

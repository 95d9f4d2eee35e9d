"""CSV without a lost byte, and JSON lines as Spark reads them, by Python.

The way in is `reading`.
"""

"""All that knows Spark and Sail: sessions, passes over the data, Arrow, and what engines lack.

The ways in are `sessions.session` (which engine, how it starts) and `arrow.functions` (NumPy
functions on a frame); `schemas` has the types of columns.
"""

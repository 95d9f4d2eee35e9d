"""The edge where Arrow batches become NumPy arrays, and functions of them run on a frame.

The way in is `functions`; `arrays` and `lists` convert columns.
"""

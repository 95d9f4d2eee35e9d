"""Tables in and out: a workspace, what a run reads from outside, and the embedding store.

The way in is `workspace.Lake`, which reads tables and publishes them whole; `files` reads and
writes single files, `tables` whole ones of Parquet, Delta or Iceberg.
"""

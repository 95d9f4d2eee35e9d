"""Embedding models that run on this machine: `static` tables and `sentence_transformers`.

`models` finds and names the files of a model.
"""

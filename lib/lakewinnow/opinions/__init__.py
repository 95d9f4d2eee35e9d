"""Who says which label a text has, beside the given label and the classifier.

`llm` asks a language model.
"""

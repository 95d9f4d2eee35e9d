"""Text to vectors: what a provider is, the providers, and what is common to all of them.

The way in is `registry.load`; `base.Embedder` is what a provider implements, `tasks` runs one on
executors, through `requests`.
"""

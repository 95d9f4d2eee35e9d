"""Embeddings by OpenAI, Azure OpenAI, and servers that speak the same protocol.

The way in is `embedder`; `batches` is its mode at half the price, within a day.
"""

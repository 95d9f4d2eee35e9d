"""Text to vectors: one module a provider, and the registry that finds it."""

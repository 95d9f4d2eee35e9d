"""Text to vectors: what a provider is, the providers, and what is common to all of them."""

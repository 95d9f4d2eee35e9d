"""OpenAI, Azure OpenAI, and servers that speak the same protocol."""

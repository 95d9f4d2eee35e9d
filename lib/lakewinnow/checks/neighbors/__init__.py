"""The texts nearest to each text, which several checks read; no check by itself."""

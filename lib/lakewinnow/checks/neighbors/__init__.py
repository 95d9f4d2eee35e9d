"""The texts nearest to each text, which several checks ask for."""

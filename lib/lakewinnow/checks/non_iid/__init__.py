"""Whether the order of the rows matters."""

"""Many requests of many texts, through any embedder: packed, paced, tried again."""

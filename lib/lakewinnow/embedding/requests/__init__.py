"""Many requests of many texts, through any embedder: packed, paced, tried again.

The way in is `engine`; `pieces` splits long texts, `budget` keeps limits, `outcomes` judges
answers.
"""

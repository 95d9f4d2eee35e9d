"""A language model as an annotator: asked about one text at a time, by OpenAI's chat protocol.

The way in is `annotator`; `question` is what it is asked, `answers` what is made of what it says.
"""

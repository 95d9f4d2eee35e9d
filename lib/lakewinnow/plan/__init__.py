"""What stages and checks say of themselves, and the graph that follows; no engine is imported.

The way in is `Graph.of`: the stages that a configuration turns on, and which needs which.
"""

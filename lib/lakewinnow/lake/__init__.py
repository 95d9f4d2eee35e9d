"""Tables and records in a workspace: reading, publishing whole, and the embedding store."""

"""The embedding store: a vector is paid for once. The way in is `embedding_store`."""

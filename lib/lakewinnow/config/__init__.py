"""The configuration: keys and defaults in `sections`, read by `file`, checked by `validation`."""

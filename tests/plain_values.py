"""Values as texts that tell what differs."""


def plain(value):
    """Return a value as text: NaN is NaN, and -0.0 is not 0.0."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {plain(of)}" for key, of in sorted(value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(plain, value)) + "]"
    return repr(value)

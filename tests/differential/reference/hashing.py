"""Spark's `xxhash64` of a row's key and a seed: XXH64 of each, the hash of one seeding the next."""

_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
_MASK = 2**64 - 1
_SPARKS_SEED = 42


def _rotated(value, n):
    return ((value << n) | (value >> (64 - n))) & _MASK


def _round(state, lane):
    return _rotated((state + lane * _P2) & _MASK, 31) * _P1 & _MASK


def _xxh64(data, seed):
    """Return XXH64 of bytes."""
    lanes = [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data) - 7, 8)]
    n_whole = len(lanes) // 4 * 4
    if n_whole:
        states = [(seed + _P1 + _P2) & _MASK, (seed + _P2) & _MASK, seed, (seed - _P1) & _MASK]
        for i, lane in enumerate(lanes[:n_whole]):
            states[i % 4] = _round(states[i % 4], lane)
        value = sum(map(_rotated, states, (1, 7, 12, 18))) & _MASK
        for state in states:
            value = ((value ^ _round(0, state)) * _P1 + _P4) & _MASK
    else:
        value = (seed + _P5) & _MASK
    value = (value + len(data)) & _MASK
    for lane in lanes[n_whole:]:
        value = (_rotated(value ^ _round(0, lane), 27) * _P1 + _P4) & _MASK
    rest = data[len(lanes) * 8 :]
    if len(rest) >= 4:
        half = int.from_bytes(rest[:4], "little") * _P1 & _MASK
        value = (_rotated(value ^ half, 23) * _P2 + _P3) & _MASK
        rest = rest[4:]
    for byte in rest:
        value = _rotated(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    value = (value ^ (value >> 33)) * _P2 & _MASK
    value = (value ^ (value >> 29)) * _P3 & _MASK
    return value ^ (value >> 32)


def xxhash64(key, seed):
    """Return the hash of bytes and a 32-bit whole number, -2^63 .. 2^63 - 1."""
    value = _xxh64(seed.to_bytes(4, "little"), _xxh64(key, _SPARKS_SEED))
    return value - 2**64 if value >= 2**63 else value

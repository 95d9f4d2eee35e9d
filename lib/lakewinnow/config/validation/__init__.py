"""What a configuration may say: each value by its annotation, then all of them together.

Every function here yields or collects problems; `configfile` raises them together.
"""

from lakewinnow.config.validation.combinations import (
    check_combinations,
    check_content,
    named_columns,
    value_at,
    with_default_checks,
    with_default_params,
)
from lakewinnow.config.validation.formats import format_of, input_format
from lakewinnow.config.validation.values import check_types, key_of

__all__ = [
    "check_combinations",
    "check_content",
    "check_types",
    "format_of",
    "input_format",
    "key_of",
    "named_columns",
    "value_at",
    "with_default_checks",
    "with_default_params",
]

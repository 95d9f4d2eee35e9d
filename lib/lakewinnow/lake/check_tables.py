"""The table that a check of each row publishes, checks/NAME/, and its columns in issues/."""

from collections.abc import Mapping
from typing import Any, Final

from pyspark.sql.types import StructField, StructType

from lakewinnow import columns as c
from lakewinnow.plan.check import Check
from lakewinnow.spark import schemas

WHY: Final = "why"


def schema(check: Check[Any]) -> StructType:
    """Return the columns of a check's table; one that scores no row finds sets, and no more."""
    if check.score is None:
        return schemas.schema({c.ROW_ID: "string", **_found(check)})
    is_issue = {f"{check.is_issue}": "boolean"}
    return schemas.schema({c.ROW_ID: "string", **is_issue, **_found(check), WHY: "string?"})


def in_issues(check: Check[Any]) -> list[StructField]:
    """Return the columns of a check in issues/: what it has found, and what stays for a copy."""
    copy = {check.copy_of: "string?"} if check.copy_of else {}
    return schemas.schema({f"{check.is_issue}": "boolean", **_found(check), **copy}).fields


def _found(check: Check[Any]) -> Mapping[str, str]:
    return {
        **({check.score: "double?"} if check.score else {}),  # null: it could not be judged
        **({check.set_of: "string?"} if check.set_of else {}),
        **{column.name: f"{column.kind}?" for column in check.others},
    }

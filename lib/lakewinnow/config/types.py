"""What the values of keys are made of: bounds for numbers, and types that several sections share.

A field's annotation is its check: `Annotated[int, AtLeast(2)]`, say.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Between:
    """The range that a number must lie in, its ends included; `AtLeast` is one without an end."""

    low: float
    high: float = math.inf

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """What a JSON Schema says of the number."""
        most = {} if self.high == math.inf else {"maximum": self.high}
        return {"minimum": self.low, **most}

    def __str__(self) -> str:
        is_open = self.high == math.inf
        return (
            f"at least {self.low:.15g}" if is_open else f"from {self.low:.15g} to {self.high:.15g}"
        )

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range; infinity lies in none."""
        return self.low <= value <= self.high and value < math.inf


AtLeast = Between


@dataclass(frozen=True)
class Above:
    """What a number must be above."""

    bound: float

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """What a JSON Schema says of the number."""
        return {"exclusiveMinimum": self.bound}

    def __str__(self) -> str:
        return f"above {self.bound:g}"

    def holds(self, value: float) -> bool:
        """Whether a value keeps the bound."""
        return self.bound < value < math.inf


@dataclass(frozen=True)
class OrInteger:
    """Lets a text be written as a whole number, 0 for "0": labels often are numbers."""

    json_schema: ClassVar[Mapping[str, Any]] = {"type": ["string", "integer"]}

    def __str__(self) -> str:
        return "or a whole number"


@dataclass(frozen=True)
class Names:
    """Says what a text names: a column of the input, what is read, or what is written."""

    what: Literal["the name of a column", "a file or folder", "a folder to write to"]
    json_schema: ClassVar[Mapping[str, Any]] = {}

    def __str__(self) -> str:
        return self.what

    def holds(self, value: object) -> bool:
        """Whether a value will do: what there is, is not known yet, but no path has a NUL."""
        return self == COLUMN or "\0" not in str(value)


@dataclass(frozen=True)
class KeysOf:
    """The section whose keys a mapping may have, which stays a mapping: what it lacks matters.

    Attributes
    ----------
    short : the key of a mapping that says nothing else, which may be written as its value; or ""
    """

    section: type
    short: str = ""

    def __str__(self) -> str:
        return "of keys"


Action = Literal["drop", "review", "keep"]
EngineName = Literal["auto", "sail", "spark"]
FileFormat = Literal["parquet", "csv", "json", "arrow", "excel", "delta", "iceberg"]
LabellingTool = Literal["label-studio"]
AnnotationsFormat = Literal[FileFormat, LabellingTool]
InputFormat = Literal[FileFormat, "table"]  # table: of the catalog, as input.table says already
OutputFormat = Literal["parquet", "delta", "iceberg"]
COLUMN: Final = Names("the name of a column")
READ: Final = Names("a file or folder")
WRITTEN: Final = Names("a folder to write to")
ColumnName = Annotated[str, COLUMN]
ReadPath = Annotated[str, READ]
WrittenPath = Annotated[str, WRITTEN]
Count = Annotated[int, AtLeast(1)]
Fraction = Annotated[float, Between(0, 1)]

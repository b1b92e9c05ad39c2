"""This is where the settings of folders and their files are described."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from connectors.definition import Duration, Facts, LocalPath, SystemFacts

_JSON_LINES = (".jsonl", ".ndjson")


class System(SystemFacts):
    """One folder of files."""

    folder: LocalPath
    """Where the files lie."""
    timeout: Duration = 10.0
    """Seconds to wait for another Tallystick that writes the same file."""
    page: int = Field(default=1000, ge=1)
    """Records per page."""


class Entity(Facts):
    """One file."""

    path: str
    """The file, seen from the system's folder."""
    format: Literal["csv", "jsonl"] = "csv"
    """csv: a header line and a line per record (RFC 4180); jsonl: a JSON object per line. Default: by its ending."""
    key: tuple[str, ...] = Field(min_length=1)
    """The columns that tell records apart. Several make the id a JSON array."""
    encoding: str = "utf-8"
    """Of the text; a byte order mark is accepted and kept."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Between the cells of a CSV file."""
    columns: tuple[str, ...] = ()
    """Columns that must be there. Default: whatever the header names."""
    marker: str | None = None
    """The column that takes our marker at birth."""
    deactivate: Mapping[str, Any] | None = None
    """What a deactivated record looks like: {active: "no"}."""

    @model_validator(mode="before")
    @classmethod
    def _format_by_name(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "format" not in data and str(data.get("path", "")).endswith(_JSON_LINES):
            return {**data, "format": "jsonl"}
        return data

    @field_validator("key", mode="before")
    @classmethod
    def _one_key(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known_encoding(self) -> "Entity":
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"'{self.encoding}' is not an encoding; write utf-8, latin-1, cp1252 ...") from None
        return self

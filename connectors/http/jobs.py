"""This is where the words for writes are fixed that a system takes the order for, and does later."""

from pydantic import Field

from connectors.definition import Facts
from connectors.http.asking import Ask
from connectors.http.select import Expression


class Job(Facts):
    """How a write is followed up that the system takes the order for, and does later."""

    id: Expression
    """Where the answer to the write holds the job's id. An answer without one says that it is done already."""
    poll: Ask
    """The request that tells how the job stands; {job} is its id."""
    state: Expression
    """Where its answer tells the state."""
    done: tuple[str, ...] = Field(min_length=1)
    """States that say: done."""
    failed: tuple[str, ...] = ()
    """States that say: the system will not have this record. Any other: still at work."""
    record: Expression | None = None
    """Where the answer about a finished job shows the whole record."""
    made: str | tuple[str, ...] | None = None
    """Where it holds the id of a new record, if it shows no record."""
    error: Expression | None = None
    """Where it holds the system's words about a failure, besides the usual places."""

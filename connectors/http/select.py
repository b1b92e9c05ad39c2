"""This is where a value is picked out of an answer, by expressions and paths that are checked at load."""

from functools import cache
from typing import Annotated, Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator

from connectors import paths


def _checked(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as e:
        raise ValueError(f"not a JMESPath expression: {str(e).splitlines()[0]}") from None
    return text


Expression: TypeAlias = Annotated[str, AfterValidator(_checked)]
"""A JMESPath expression over the body of an answer."""


def checked_path(text: str) -> str:
    """*text*, if it is a path. Raises ValueError with the reason."""
    try:
        paths.parse(text)
    except paths.PathError as e:
        raise ValueError(f"'{text}' is not a path: {e} at column {e.position + 1}") from None
    return text


def pick(expression: str, body: Any) -> Any:
    """What *expression* finds in *body*; None where it finds nothing or does not apply to what is there."""
    try:
        return _compiled(expression).search(body)
    except JMESPathError:
        return None


@cache
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)

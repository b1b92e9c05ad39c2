"""This is where a value is picked out of an answer by JMESPath, checked when the definition is loaded."""

from functools import cache
from typing import Annotated, Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator


def _checked(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as e:
        raise ValueError(f"not a JMESPath expression: {str(e).splitlines()[0]}") from None
    return text


Expression: TypeAlias = Annotated[str, AfterValidator(_checked)]
"""A JMESPath expression over the body of an answer."""


def pick(expression: str, body: Any) -> Any:
    """What *expression* finds in *body*; None where it finds nothing or does not apply to what is there."""
    try:
        return _compiled(expression).search(body)
    except JMESPathError:
        return None


@cache
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)

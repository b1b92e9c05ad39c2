"""This is where two values become one because a person says so: the members of lists, the lines of texts. Pure."""

from typing import Any

from daemon.core.rules import Rule


def joined(rule: Rule, left: Any, right: Any) -> Any:
    """What left has, followed by what right has beside it. Raises ValueError where there is nothing to join."""
    for side, lens in (("left", rule.left), ("right", rule.right)):
        if lens is None or lens.write is None or lens.path is None:
            raise ValueError(f"{rule.name} cannot be written on {side}, so one value for both cannot be made")
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return _both(rule, left, right)
    if isinstance(left, str) and isinstance(right, str):
        return "\n".join(_both(rule, left.splitlines(), right.splitlines()))
    raise ValueError(f"{rule.name} has neither two lists nor two texts to join: take left or right")


def _both(rule: Rule, left: Any, right: Any) -> list[Any]:
    missing = [part for part in right if not any(rule.same(part, known) for known in left)]
    return [*left, *missing]

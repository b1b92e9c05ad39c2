"""This is where a list is seen as a set: which of its members mean the same, and which cannot be translated. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from connectors.paths import ABSENT
from daemon.core.digests import FIELD, encoded, one_number
from daemon.core.functions import kind
from daemon.core.model import Foreign
from daemon.core.rules import Merge, Rule, Side
from daemon.core.types import empty

Notch: TypeAlias = Callable[[Any], bytes]
"""From a member to the keyed digest by which it is remembered."""
Step: TypeAlias = Callable[[Any], Any]


def notch_of(line: Callable[[Any], bytes], pair: int, rule: Rule) -> Notch:
    """The digest of members of one field of one pair, the same on both sides. *line* digests facts under the key."""
    return lambda member: line(["member", pair, rule.name, _meant(rule, member)])[:FIELD]


def asked(owner: Side | None, side: Side) -> bool:
    """Whether members of *side* may travel. There one that cannot be translated holds the field; else it stays."""
    return owner is None or owner == side


def each(step: Step, *, strict: bool, many: bool = False) -> Step:
    """*step* for every member of a list; null and emptiness pass. With *many* it gives several for one.

    What *step* refuses with a ValueError is Foreign, or with *strict* raised under the member's place in the list.
    """

    def convert(value: Any) -> Any:
        if value is None or value is ABSENT or value == "":
            return value
        found: list[Any] = []
        for at, member in enumerate(_listed(value, single=many), 1):
            try:
                shared = Foreign(member) if empty(member) else step(member)
            except ValueError as fault:
                if strict:
                    raise ValueError(f"member {at}: {fault}") from None
                shared = Foreign(member)
            found += (shared or ()) if many and not isinstance(shared, Foreign) else [shared]
        return found

    return convert


def member_wise(merge: Merge, step: Step, owner: Side | None, side: Side, *, many: bool = False) -> Step:
    """*step* as it stands, or for each member of a set as *side* shows it."""
    return each(step, strict=asked(owner, side), many=many) if merge else step


def checked(back: Step) -> Step:
    """The value itself, if there is a way back for it. Raises what *back* raises."""

    def check(value: Any) -> Any:
        back(value)
        return value

    return check


def keyed(value: Any, notch: Notch) -> dict[bytes, Any]:
    """The members of a shared value by their digests, each once; what is foreign is left out."""
    found: dict[bytes, Any] = {}
    for member in value or ():
        if not isinstance(member, Foreign):
            found.setdefault(notch(member), member)
    return found


def newborn(rule: Rule, value: Any) -> list[Any]:
    """What a new record is given of a set: every member that has a meaning there, once."""
    return list(keyed(value, lambda member: encoded(_meant(rule, member))).values())


def same(rule: Rule, left: Any, right: Any) -> bool:
    """Whether two shared values have the same members, whatever their order."""
    one, two = ({encoded(_meant(rule, m)) for m in newborn(rule, value)} for value in (left, right))
    return one == two


def in_place(rule: Rule, value: Iterable[Any], shown: Iterable[tuple[Any, Any]], write: Step) -> list[Any]:
    """*value* as a side stores it. Of *shown*, raw and shared, whoever stands there already keeps its raw form."""
    standing: dict[bytes, list[Any]] = {}
    for raw, shared in shown:
        standing.setdefault(_known_by(rule, shared), []).append(raw)
    written = []
    for member in value:
        forms = standing.get(_known_by(rule, member))
        written.append(forms.pop(0) if forms else write(member))
    return written


def _known_by(rule: Rule, member: Any) -> bytes:
    """Foreign members are told from those that mean something by chance."""
    return encoded([isinstance(member, Foreign), str(member) if isinstance(member, Foreign) else _meant(rule, member)])


def _meant(rule: Rule, member: Any) -> Any:
    return one_number(rule.shape(member))


def _listed(value: Any, *, single: bool) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return value
    if single and not isinstance(value, Mapping):
        return [value]
    raise ValueError(f"{kind(value)} is not a list, so it has no members; `split(...)` makes one of a text")

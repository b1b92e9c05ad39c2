"""This is where single pairs are told: why one stands as it does, and which ones wait."""

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.cli.text.lines import Line, columns, moment, quoted, shown
from daemon.cli.text.plan import decision_text


def why_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """One pair explained: its state, every field with both values and the rule, what happens next."""
    reason = f" ({answer['reason']})" if answer.get("reason") else ""
    names = f"{shown(answer.get('left'))} <-> {shown(answer.get('right'))}"
    yield Line(f"{answer.get('sync')}: {names} is {answer.get('state')}{reason}", "head")
    if answer.get("why"):
        yield Line(f"  {answer['why']}")
    fields: Mapping[str, Mapping[str, Any]] = answer.get("fields") or {}
    if fields:
        yield Line("")
        heads = ["FIELD", "LEFT", "RIGHT", "MOVED", "RULE", "NEXT"]
        yield from columns([_field_row(name, told) for name, told in fields.items()], heads)
    yield from _next(answer)


def held_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """The held pairs, one a line, oldest first, and how to go on."""
    rows = answer.get("held", answer.get("conflicts")) or []
    if not rows:
        yield Line("no conflicts" if "conflicts" in answer else "nothing is held", "good")
        return
    table = [[r.get("sync"), r.get("left"), r.get("right"), r.get("reason"), moment(r.get("since")), _what(r)]
             for r in rows]  # fmt: skip
    yield from columns(table, ["SYNC", "LEFT", "RIGHT", "REASON", "SINCE", "WHAT"])
    first = rows[0]
    key = first.get("left") or first.get("right")
    yield Line("")
    yield Line(f"look: tallystick why {first.get('sync')} {key}", "quiet")
    if clash := next((r for r in rows if r.get("reason") == "conflict"), None):
        key = clash.get("left") or clash.get("right")
        yield Line(f"decide: tallystick conflicts resolve {clash.get('sync')} {key} --take left|right", "quiet")


def _field_row(name: str, told: Mapping[str, Any]) -> list[Any]:
    moved = " and ".join(side for side in ("left", "right") if told.get(f"{side}_moved")) or "-"
    coming = told.get("why") or ("in step" if told.get("same") else "stays as it is")
    return [name, quoted(told.get("left")), quoted(told.get("right")), moved, told.get("rule"), coming]


def _next(answer: Mapping[str, Any]) -> Iterator[Line]:
    """What the next run does, and what a person can do."""
    coming = answer.get("next") or {}
    sync, key = answer.get("sync"), answer.get("left") or answer.get("right")
    yield Line("")
    if answer.get("next_try"):
        yield Line(f"tried {answer.get('attempts')} times; again from {moment(answer['next_try'])}")
    if coming.get("reason") == "conflict":
        yield Line(f"a person decides: tallystick conflicts resolve {sync} {key} --take left|right", "change")
    elif coming.get("changes"):
        yield Line("the next run writes:")
        yield from decision_text(coming)
    elif coming.get("reason"):
        yield Line(f"it waits: {coming['reason']}{_detail(coming.get('detail') or {})}", "change")
        yield from _remedy(coming, str(sync))
    else:
        yield Line("the next run has nothing to do here", "good")


def _detail(detail: Mapping[str, Any]) -> str:
    """The facts behind a reason; what waits field by field stays in words."""
    plain = dict(detail)
    fields = plain.pop("fields", None) or {}
    told = [f"{name}: {why}" for name, why in fields.items()] if isinstance(fields, Mapping) else list(map(str, fields))
    for name, value in plain.items():
        text = value if isinstance(value, str) else quoted(value)
        told.append(text if name in ("why", "message") else f"{name}: {text}")
    return f", {', '.join(told)}" if told else ""


def _remedy(coming: Mapping[str, Any], sync: str) -> Iterator[Line]:
    """What a person can do about a pair that waits for no decision of theirs."""
    again = f"the next run looks again by itself: tallystick run {sync}"
    match coming["reason"]:
        case "case":
            yield Line(f"bring the records in order, or change `cases` in syncs/{sync}.yaml; {again}")
        case "mapping":
            yield Line(f"correct the value where it is kept, or the field in syncs/{sync}.yaml; {again}")
        case "reference":
            yield Line(f"it waits until the record that it refers to has a partner; {again}")


def _what(row: Mapping[str, Any]) -> str:
    fields = row.get("fields")
    if isinstance(fields, Mapping):
        return ", ".join(f"{name}: {why}" for name, why in fields.items())
    return ", ".join(fields) if fields else str(row.get("why") or row.get("message") or "")


def resolved_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """A conflict that a person decided."""
    fields = ", ".join(answer.get("fields") or ()) or "every field in conflict"
    yield Line(f"taken: {answer.get('take')} for {fields}; it holds for the two values that stand there now", "good")
    yield Line(f"next: tallystick run {answer.get('sync')}")


def retried_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """A held pair that is tried again."""
    yield Line(f"{answer.get('key')} is tried again in the next run: tallystick run {answer.get('sync')}", "good")

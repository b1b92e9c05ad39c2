"""This is where single pairs are told: why one stands as it does, and which ones wait."""

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.cli.text.lines import Line, columns, moment, plural, quoted, shown
from daemon.cli.text.plan import ELSEWHERE, decision_text
from daemon.core.typed import typed


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
    if children := answer.get("children"):
        yield Line("")
        yield from columns([_child_row(child) for child in children], ["CHILDREN", "LEFT", "RIGHT", "STATE", "REASON"])
    yield from _next(answer)


def _child_row(told: Mapping[str, Any]) -> list[Any]:
    return [told.get(name) or None for name in ("sync", "left", "right", "state", "reason")]


def held_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """The held pairs, one a line, oldest first, and how to go on."""
    rows = answer.get("held", answer.get("conflicts")) or []
    if not rows:
        yield Line("no conflicts" if "conflicts" in answer else "nothing is held", "good")
        return
    table = [[r.get("sync"), r.get("left"), r.get("right"), r.get("reason"), moment(r.get("since")),
              r.get("attempts") or None, moment(r.get("next_try")), _what(r)] for r in rows]  # fmt: skip
    yield from columns(table, ["SYNC", "LEFT", "RIGHT", "REASON", "SINCE", "TRIED", "NEXT TRY", "WHAT"])
    first = rows[0]
    yield Line("")
    yield Line(f"look: tallystick why {first.get('sync')} {typed(first.get('left'), first.get('right'))}", "quiet")
    for reason, remedy in {r.get("reason"): r.get("remedy") for r in reversed(rows) if r.get("remedy")}.items():
        yield Line(f"{reason}: {remedy}", "quiet")


def _field_row(name: str, told: Mapping[str, Any]) -> list[Any]:
    moved = " and ".join(side for side in ("left", "right") if told.get(f"{side}_moved")) or "-"
    coming = told.get("why") or ("in step" if told.get("same") else "stays as it is")
    return [name, quoted(told.get("left")), quoted(told.get("right")), moved, told.get("rule"), coming]


def _next(answer: Mapping[str, Any]) -> Iterator[Line]:
    """What the next run does, and what a person can do."""
    coming = answer.get("next") or {}
    yield Line("")
    if answer.get("next_try"):
        yield Line(f"tried {answer.get('attempts')} times; again from {moment(answer['next_try'])}")
    if coming.get("changes"):
        yield Line(f"the next run writes{_bounded(answer, coming)}:")
        yield from decision_text(coming)
    elif coming.get("what"):
        yield Line(str(coming["what"]))
    elif coming.get("reason"):
        yield Line(f"it waits: {coming['reason']}{_detail(coming.get('detail') or {})}", "change")
    else:
        yield Line("the next run has nothing to do here", "good")
    if coming.get("remedy"):
        yield Line(str(coming["remedy"]), "change")
    if history := answer.get("history"):
        yield Line("")
        yield from (Line(_past(entry), "quiet") for entry in history)


def _bounded(answer: Mapping[str, Any], coming: Mapping[str, Any]) -> str:
    """What a value out of its bounds waits for."""
    if not coming.get("bounds"):
        return ""
    key = typed(answer.get("left"), answer.get("right"))
    return f", once it is approved (tallystick approve {answer.get('sync')} --kind values --only {key})"


def _past(entry: Mapping[str, Any]) -> str:
    """One line of the audit log about this pair."""
    words = [entry.get(name) for name in ("action", "op", "result", "message", "take", "means", "reason", "actor")]
    fields = ", ".join(entry.get("fields") or ())
    return "  ".join([moment(entry.get("time")), *(str(word) for word in words if word), *([fields] if fields else [])])


def _detail(detail: Mapping[str, Any]) -> str:
    """The facts behind a reason; what waits field by field stays in words."""
    plain = {name: value for name, value in detail.items() if name == "fields" or name not in ELSEWHERE}
    fields = plain.pop("fields", None) or {}
    told = [f"{name}: {why}" for name, why in fields.items()] if isinstance(fields, Mapping) else list(map(str, fields))
    for name, value in plain.items():
        text = value if isinstance(value, str) else quoted(value)
        told.append(text if name in ("why", "message") else f"{name}: {text}")
    return f", {', '.join(told)}" if told else ""


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


def dropped_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """A held pair that a person gave up, and what that means."""
    yield Line(f"{answer.get('key')} is given up ({answer.get('was')}): {answer.get('means')}", "good")
    if fields := answer.get("fields"):
        yield Line(f"  fields: {', '.join(fields)}")


def pairs_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """Pairs, one a line, in the order of their numbers."""
    rows = answer.get("pairs") or []
    if not rows:
        yield Line("no pairs")
        return
    heads = ["PAIR", "LEFT", "RIGHT", "STATE", "REASON", "BORN", "SINCE"]
    table = [[r.get("pair"), r.get("left"), r.get("right"), r.get("state"), r.get("reason") or None, r.get("born"),
              moment(r.get("since"))] for r in rows]  # fmt: skip
    yield from columns(table, heads)
    if answer.get("next") is not None:
        yield Line(f"more: tallystick pairs list {answer.get('sync')} --after {answer['next']}", "quiet")


def pair_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """What is remembered of one pair."""
    names = f"{shown(answer.get('left'))} <-> {shown(answer.get('right'))}"
    reason = f" ({answer['reason']})" if answer.get("reason") else ""
    yield Line(f"{answer.get('sync')}: {names} is {answer.get('state')}{reason}", "head")
    yield Line(f"  pair {answer.get('pair')}, {answer.get('born')}, since {moment(answer.get('since'))}")
    if text := _detail(answer.get("detail") or {}):
        yield Line(f"  waits{text}")
    for side in ("left", "right"):
        half = answer.get(f"{side}_half")
        if not half:
            yield Line(f"  {side}: nobody")
            continue
        yield Line(f"  {side}: {half['id']}" + (f", version {half['version']}" if half.get("version") else ""))
        yield Line(f"    agreed: {', '.join(half.get('agreed') or ()) or 'nothing yet'}", "quiet")
        if half.get("sent"):
            yield Line(f"    sent, not seen yet: {', '.join(half['sent'])}", "quiet")


def imported_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """What became of a table of pairs: every fault with its line, or how many were taken over."""
    faults = answer.get("faults") or []
    for fault in faults:
        yield Line(f"line {fault.get('line')}: {fault.get('text')}", "bad")
    known = f"; {answer['known']} were known already" if answer.get("known") else ""
    if faults:
        yield Line(f"nothing is imported: {plural(len(faults), 'fault')}", "bad")
    elif answer.get("dry_run"):
        yield Line(f"all good: {plural(answer['imported'], 'pair')} would be imported{known}", "good")
    else:
        yield Line(f"imported: {plural(answer['imported'], 'pair')}{known}", "good")
        yield Line(f"next: tallystick plan {answer.get('sync')}")


def unlinked_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """A pair that was taken apart."""
    names = f"{answer.get('left')} and {answer.get('right')}"
    yield Line(f"{names} are no pair any more; both stay as they are and are not matched with each other again", "good")
    yield Line(f"to pair one anew: tallystick pairs import {answer.get('sync')} FILE.csv", "quiet")


def retried_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """A held pair that is tried again."""
    yield Line(f"{answer.get('key')} is tried again in the next run: tallystick run {answer.get('sync')}", "good")

"""This is where a report is told to people: what changes and nothing else, the summary first and last.

+ create   ~ update   - delete or deactivate   ! waits for a person   = paired, or the pair ends
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from daemon.cli.text.lines import Line, Style, quoted
from daemon.cli.text.promises import promises_text

LONGEST: Final = 50
"""Lines of decisions that a text shows; JSON and CSV have them all."""

SIGNS: Final[Mapping[str, str]] = {
    "create": "+",
    "update": "~",
    "delete": "-",
    "deactivate": "-",
    "hold": "!",
    "link": "=",
    "relink": "=",
    "retire": "=",
    "reopen": "=",
    "remember": "=",
}
ELSEWHERE: Final = ("fields", "remapped", "candidates", "heir", "heirs")
"""Facts behind a reason that are told in other words."""
_STYLES: Final[Mapping[str, Style]] = {"+": "good", "~": "change", "-": "bad", "!": "bad", "=": "quiet"}
_COUNTED: Final = ("create", "update", "delete", "deactivate", "hold", "link", "relink", "retire", "reopen")
_HAPPENED: Final = ("written", "refused", "unknown", "pending", "held", "unchanged")


def plan_text(report: Mapping[str, Any], *, longest: int = LONGEST, what: str = "Plan for") -> Iterator[Line]:
    """A plan or a run: summary, one block a record, guards with the command that approves, problems, summary."""
    yield Line(_title(report, what), "head")
    yield from _summary(report)
    told = [line for line in report.get("lines", ()) if line.get("kind") != "link" or report.get("guards")]
    if told:
        yield Line("")
        yield from _cut([*_blocks(told)], longest)
    yield from guards_text(report)
    if promised := [*promises_text(report)]:
        yield from (Line(""), *promised)
    yield from _problems(report)
    if told:
        yield Line("")
        yield from _summary(report)


def run_text(report: Mapping[str, Any]) -> Iterator[Line]:
    """A run that is over; what was written stays short, because `runs` and the audit log keep the whole."""
    yield from plan_text(report, longest=LONGEST, what="Run of")
    if report.get("state") == "held" and not report.get("guards"):
        yield Line(f"what waits: tallystick held {report.get('sync')}", "quiet")


def guards_text(report: Mapping[str, Any]) -> Iterator[Line]:
    """Every guard that holds something: its numbers and what to do."""
    for guard in report.get("guards", ()):
        yield Line("")
        yield Line(f"! guard {guard.get('kind')}: {guard.get('text', '')}", "bad")
        if remedy := guard.get("remedy"):
            yield Line(f"  {remedy}")


def decision_text(line: Mapping[str, Any]) -> Iterator[Line]:
    """One record: its sign and names, then field by field before -> after, with the rule that says so."""
    kind = str(line.get("kind"))
    sign = "!" if line.get("guard") else SIGNS.get(kind, "~")
    whose = f"{line['collection']} " if line.get("collection") else ""
    yield Line(f"{sign} {whose}{_names(line, kind)}{_why_held(line)}", _STYLES[sign])
    for change in line.get("changes", ()):
        yield from _change_text(change)
    for name, why in (line.get("bounds") or {}).items():
        yield Line(f"    {name}: {why}", "bad")
    for name, why in held_fields(line).items():
        yield Line(f"    {name}: held, {why}", "bad")


def held_fields(line: Mapping[str, Any]) -> Mapping[str, str]:
    """The fields of a decision that wait for a person, and why."""
    found = (line.get("detail") or {}).get("fields")
    return found if isinstance(found, Mapping) else {}


def _title(report: Mapping[str, Any], what: str) -> str:
    state = "" if report.get("state") == "planned" else f": {report.get('state')}"
    return f"{what} {report.get('sync')}{state}"


def _summary(report: Mapping[str, Any]) -> Iterator[Line]:
    counts: Mapping[str, int] = report.get("counts", {})
    parts = [f"{SIGNS[kind]} {kind} {counts[kind]}" for kind in _COUNTED if counts.get(kind)]
    parts += [f"{word} {counts[word]}" for word in _HAPPENED if counts.get(word)]
    if parts or not report.get("problems"):  # what failed before it could look has nothing to say about the work
        yield Line("  " + ("   ".join(parts) or "nothing to do"))


def _blocks(told: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    for line in told:
        yield from decision_text(line)


def _cut(lines: list[Line], longest: int) -> Iterator[Line]:
    yield from lines[:longest]
    if len(lines) > longest:
        yield Line(f"... {len(lines) - longest} more lines: plan --csv FILE, or -o json", "quiet")


def _names(line: Mapping[str, Any], kind: str) -> str:
    left, right = line.get("left"), line.get("right")
    if kind == "create":
        return f"{left} -> new on right" if left is not None else f"{right} -> new on left"
    if left is not None and right is not None:
        return f"{left} <-> {right}"
    return f"{left} on left" if left is not None else f"{right} on right"


def _why_held(line: Mapping[str, Any]) -> str:
    words = [str(line["reason"])] if line.get("reason") else []
    rest = {name: value for name, value in (line.get("detail") or {}).items() if name not in ELSEWHERE}
    words += [_detail(rest)] if rest else []
    words += [f"held by guard {line['guard']}"] if line.get("guard") else []
    for side, names in (line.get("makes_room") or {}).items():
        words += [f"gives up {' and '.join(names)} on {side} for a moment"]
    words += ["urgent"] if line.get("urgent") else []
    words += ["goes on under another id"] if line.get("relinks") else []
    words += ["pair opens again"] if line.get("reopens") else []
    words += ["pair ends"] if line.get("kind") == "retire" else []
    return f"   {', '.join(words)}" if words else ""


def _detail(detail: Mapping[str, Any]) -> str:
    return ", ".join(_short(v) if name in ("why", "message") else f"{name}: {_short(v)}" for name, v in detail.items())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else quoted(value)
    return text if len(text) <= 100 else text[:99] + "…"


def _change_text(change: Mapping[str, Any]) -> Iterator[Line]:
    op, side = change.get("op"), change.get("side")
    fields: Mapping[str, Mapping[str, Any]] = change.get("fields") or {}
    if op in ("delete", "deactivate"):
        yield Line(f"    {op} on {side}   {change.get('why') or ''}".rstrip(), "bad")
        return
    width = max((len(name) for name in fields), default=0)
    for name, move in fields.items():
        yield Line(f"    {name.ljust(width)}  {_move(op, move)}   {side}: {move.get('why') or op}", _STYLES["~"])


def _move(op: Any, move: Mapping[str, Any]) -> str:
    after = quoted(move.get("after"))
    if op == "create":
        return after
    before = quoted(move.get("before"))
    return "(changed, hidden)" if before == after == "(hidden)" else f"{before} -> {after}"


def _problems(report: Mapping[str, Any]) -> Iterator[Line]:
    problems: Iterable[str] = report.get("problems", ())
    for number, problem in enumerate(problems):
        if number == 0:
            yield Line("")
        yield Line(f"! {problem}", "bad")


def census_text(census: Mapping[str, Any]) -> Iterator[Line]:
    """What a sync finds before its first run: who matches whom, what would be written, and what to do next."""
    yield Line(f"Census of {census.get('sync')}" + (", adopted already" if census.get("adopted") else ""), "head")
    yield from _census_numbers(census)
    told = [line for line in census.get("lines", ()) if line.get("changes") or line.get("kind") == "hold"]
    if told:
        yield Line("")
        yield from _cut([*_blocks(told)], LONGEST)
    yield from _problems(census)
    if told:
        yield Line("")
        yield from _census_numbers(census)
    if not census.get("adopted"):
        yield Line(f"next: tallystick approve {census.get('sync')} && tallystick run {census.get('sync')}")


def _census_numbers(census: Mapping[str, Any]) -> Iterator[Line]:
    numbers = [
        f"= matched {census.get('matched', 0)}",
        f"only left {census.get('unmatched_left', 0)}",
        f"only right {census.get('unmatched_right', 0)}",
        f"! ambiguous {census.get('ambiguous', 0)}",
    ]
    yield Line("  " + "   ".join(numbers))

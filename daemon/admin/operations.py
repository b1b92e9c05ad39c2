"""This is where the verbs of an administrator are listed, whichever door is used: socket, command line, later web.

Every answer is a JSON object, documented beside its verb. A verb that fails raises a TallystickError.
*actor* says who asks: "uid:1000", "schedule", "local".
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeAlias

from msgspec import Meta

Answer: TypeAlias = Mapping[str, Any]
Take: TypeAlias = Literal["left", "right", "merge"]
"""Whose values stay of a conflict, or that both become one."""
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=100_000)]
"""How many of something at the most."""
Position: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A place in an order: a pair's number, an entry's sequence. The store counts in 64 bits."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=10 * 366 * 86_400)]
"""A time span, up to ten years."""


class Operations(Protocol):
    """What the daemon does for people. Implemented by daemon.service, spoken to directly or through admin.client."""

    def status(self) -> Answer:
        """Life of the daemon and of each sync, what needs attention first.

        {state, pid, version, generation, config: {ok, problems, loaded_at}, attention: [{sync, what, remedy}],
         syncs: [{name, running, last: {id, state, ended}, next, pairs: {active, held, single, retired}}]}
        """

    def run(self, sync: str, *, full: bool, only: str | None, wait: bool, actor: str, reason: str) -> Answer:
        """Run one sync now. With *wait* the run's report (see daemon.engine.report), else {run, queued: true}."""

    def plan(self, sync: str, *, full: bool, actor: str) -> Answer:
        """What a run would do: a report with state `planned`. Writes to no system."""

    def adopt(self, sync: str, *, actor: str) -> Answer:
        """The first plan in the form of a census: a report with matched, unmatched and ambiguous records listed."""

    def approve(
        self, sync: str, *, kinds: Sequence[str], only: str | None, actor: str, reason: str, expires: Seconds
    ) -> Answer:
        """Re-gather, re-plan and approve the lines that a guard holds: {approved: {kind: count}, expires}."""

    def reload(self, *, actor: str) -> Answer:
        """Read the configuration anew: {applied, generation, changes: [...], problems: [...]}."""

    def why(self, sync: str, key: str, *, actor: str) -> Answer:
        """One pair explained: state, per field both values, what was agreed, the rule, what happens next with its
        remedy, and `history`, the last outcomes and answers about it in the audit log."""

    def runs(self, sync: str | None, *, limit: Limit) -> Answer:
        """{runs: [{id, sync, started, ended, state, actor, report}]}, newest first."""

    def held(self, sync: str | None) -> Answer:
        """{held: [{sync, pair, left, right, reason, since, attempts, next_try, remedy, fields | why}]}."""

    def retry(self, sync: str, key: str, *, actor: str) -> Answer:
        """Let a held pair be tried again in the next run, a single one find a partner: {pair, retried: true}."""

    def drop(self, sync: str, key: str, *, actor: str, reason: str) -> Answer:
        """Give a held pair up until its records change again: {pair, was, means, fields}."""

    def pairs(self, sync: str, *, states: Sequence[str], after: Position, limit: Limit) -> Answer:
        """{pairs: [{sync, pair, left, right, state, reason, born, since}], next}: pairs behind number *after*."""

    def pair(self, sync: str, key: str) -> Answer:
        """What is remembered of one pair, without a value: the members of `pairs`, attempts, next_try, detail, and
        {id, version, seen, match_keys, agreed, sent} as left_half and right_half."""

    def import_pairs(
        self, sync: str, *, rows: Sequence[tuple[int, str, str]], dry_run: bool, actor: str, reason: str
    ) -> Answer:
        """Take pairs over from a table of (line, left, right), all or nothing: {imported, known, faults, dry_run}."""

    def unlink(self, sync: str, key: str, *, actor: str, reason: str) -> Answer:
        """Dissolve a pair; both records stay, single: {pair, left, right, unlinked: true}."""

    def conflicts(self, sync: str | None) -> Answer:
        """{conflicts: [...]}: the held pairs whose reason is a conflict, in the form of `held`."""

    def resolve(
        self,
        sync: str,
        key: str,
        *,
        take: Take,
        fields: Sequence[str],
        actor: str,
        reason: str,
    ) -> Answer:
        """Answer a conflict for the two values that stand there now: {pair, take, fields}. The next run writes."""

    def audit_verify(self, *, expect_size: Position | None, max_age: Seconds | None) -> Answer:
        """The verdict on the whole log: {code, size, sealed, checkpoints, problems}."""

    def audit_show(self, *, start: Position | None, limit: Limit, match: Mapping[str, str], actor: str) -> Answer:
        """{entries: [{seq, time, ...}]}, decrypted, from *start* on, or else the newest. Reading is itself an entry."""

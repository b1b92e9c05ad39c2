"""This is where a sync is made to ask instead of deciding, because its memory may be older than the truth. Pure."""

from dataclasses import replace

from daemon.core.rules import Case, Rule, Sync


def cautious(sync: Sync) -> Sync:
    """*sync* with no clash decided by a rule, no member removed from a set, and nobody deleted for being gone.

    With an old memory both sides of a field have moved wherever it was edited since, and the newer value is not to be
    told from the older one.
    """
    cases = sync.cases
    return replace(
        sync,
        rules=tuple(_asking(rule) for rule in sync.rules),
        cases=replace(
            cases,
            gone_left=_waiting(cases.gone_left),
            gone_right=_waiting(cases.gone_right),
            gone_and_changed=_waiting(cases.gone_and_changed),
            out_of_scope_left=_waiting(cases.out_of_scope_left),
            out_of_scope_right=_waiting(cases.out_of_scope_right),
            recreated="hold",
            merged="hold",
        ),
    )


def _asking(rule: Rule) -> Rule:
    if rule.merge:
        return replace(rule, merge="union" if rule.merge == "set" else rule.merge)
    return replace(rule, wins="ask", first=None if rule.owner else rule.first or "ask")


def _waiting(case: Case) -> Case:
    return "hold" if case in ("delete", "deactivate") else case

"""This is where a store that is older than the audit log is taken up: nothing that it believes is acted upon unseen."""

from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.store.store import Store


def take_up(store: Store, audit: AuditLog) -> bool:
    """Whether *store* was older than *audit*, or is new beside an old log. Then every sync begins as at its adoption.

    Intent ids go on above the log's highest, because the log tells writes apart by them.
    """
    known, testified = store.flights.last_intent, audit.last_intent
    if testified <= known:
        return False
    body = {"action": "store.rolled_back", "actor": "daemon", "known": known, "testified": testified}
    audit.append([Entry(body)])
    store.roll_forward(testified)
    return True

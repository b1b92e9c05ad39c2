"""This is where files of the state folder have their names, and where a new installation gets its audit log."""

from pathlib import Path

from daemon.audit.keys import Keys, create_keys, load_keys
from daemon.audit.log import init_log
from daemon.config.load import Config
from daemon.errors import AuditError


def store_file(config: Config) -> Path:
    """The store: what both sides last agreed on."""
    return config.daemon.state / "store.db"


def audit_folder(config: Config) -> Path:
    """The audit log."""
    return config.daemon.state / "audit"


def has_audit(config: Config) -> bool:
    """Whether an audit log was ever begun here."""
    return audit_folder(config).exists()


def begin_audit(config: Config) -> Keys:
    """Begins the audit log of a new installation, with new keys unless some are given. Raises AuditError.

    The caller holds the state folder's lock.
    """
    try:
        keys = load_keys(config.daemon.audit_keys)
    except AuditError:
        keys = create_keys(config.daemon.audit_keys)  # refuses where one of two is there
    init_log(audit_folder(config), keys, origin=config.daemon.origin)
    return keys

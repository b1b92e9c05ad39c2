"""This is where the errors of the daemon are sorted by what the person or the caller does about them.

TallystickError           the text says what happened, where, and the next step
├── ConfigError           edit a file: `problems` lists every fault with file, line and column
├── GuardTripped          look at the plan, then approve it or raise the limit
├── AuditError            the audit log cannot be written or believed; nothing is written to any system
├── StoreError            the memory of pairs cannot be used as it is
├── Busy                  somebody else holds it; try again
└── NoSuch                what was asked for does not exist
"""

from collections.abc import Sequence


class TallystickError(Exception):
    """An error with a remedy in its text. `exit_code` follows sysexits.h where it has a word for it."""

    exit_code = 1


class ConfigError(TallystickError):
    """The configuration cannot be used. `problems` are rendered diagnostics, root causes first."""

    exit_code = 78

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class GuardTripped(TallystickError):
    """A plan would do more harm than its limits allow."""

    exit_code = 5


class AuditError(TallystickError):
    """The audit log cannot be written, or does not prove what it should."""

    exit_code = 74


class StoreError(TallystickError):
    """The store is missing, damaged, from another installation or older than the audit log."""

    exit_code = 74


class Busy(TallystickError):
    """Another process or run holds what is needed."""

    exit_code = 75


class NoSuch(TallystickError):
    """No sync, pair, run or daemon of that name."""

    exit_code = 3

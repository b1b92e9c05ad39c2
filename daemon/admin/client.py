"""This is where a command talks to the running daemon: Operations over its socket, with a deadline per call."""
# ruff: noqa: ARG002  # the daemon asks the kernel who calls, so `actor` goes nowhere

import http.client
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from daemon.admin import wire
from daemon.admin.operations import Answer, Take
from daemon.errors import NoSuch, TallystickError

QUICK: Final = 30.0
"""Seconds for a verb that looks at what the daemon has."""
READS_SYSTEMS: Final = 3600.0
"""Seconds for a verb that has to read whole systems first."""
RUN: Final = 86_400.0
"""Seconds for a run that is waited for."""


class NotAllowed(TallystickError):
    """The daemon is there, and this user may not talk to it."""

    exit_code = 77


def connect(socket_path: Path) -> "Client":
    """The daemon behind *socket_path*. Raises NoSuch where none is running."""
    client = Client(socket_path)
    client.reach()
    return client


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = _dial(self._path, QUICK)
        self.sock.settimeout(self.timeout)


def _dial(path: Path, timeout: float) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.settimeout(timeout)
    try:
        line.connect(str(path))
    except PermissionError:
        line.close()
        raise NotAllowed(f"{path}: not allowed; join the group that owns the socket, or use sudo") from None
    except OSError:
        line.close()
        raise NoSuch(f"no daemon is running at {path}; start it with `tallystick serve`") from None
    return line


class Client:
    """Operations of a daemon that runs elsewhere. *actor* is never sent: the daemon asks the kernel who calls."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def reach(self) -> None:
        """Raises NoSuch unless somebody listens."""
        _dial(self._path, QUICK).close()

    def status(self) -> Answer:
        """See Operations."""
        return self._call("status", QUICK)

    def run(self, sync: str, *, full: bool, only: str | None, wait: bool, actor: str, reason: str) -> Answer:
        """See Operations."""
        deadline = RUN if wait else QUICK
        return self._call("run", deadline, sync=sync, full=full, only=only, wait=wait, reason=reason)

    def plan(self, sync: str, *, full: bool, actor: str) -> Answer:
        """See Operations."""
        return self._call("plan", READS_SYSTEMS, sync=sync, full=full)

    def adopt(self, sync: str, *, actor: str) -> Answer:
        """See Operations."""
        return self._call("adopt", READS_SYSTEMS, sync=sync)

    def approve(
        self, sync: str, *, kinds: Sequence[str], only: str | None, actor: str, reason: str, expires: float
    ) -> Answer:
        """See Operations."""
        return self._call(
            "approve", READS_SYSTEMS, sync=sync, kinds=list(kinds), only=only, reason=reason, expires=expires
        )

    def reload(self, *, actor: str) -> Answer:
        """See Operations."""
        return self._call("reload", READS_SYSTEMS)

    def why(self, sync: str, key: str, *, actor: str) -> Answer:
        """See Operations."""
        return self._call("why", READS_SYSTEMS, sync=sync, key=key)

    def runs(self, sync: str | None, *, limit: int) -> Answer:
        """See Operations."""
        return self._call("runs", QUICK, sync=sync, limit=limit)

    def held(self, sync: str | None) -> Answer:
        """See Operations."""
        return self._call("held", QUICK, sync=sync)

    def retry(self, sync: str, key: str, *, actor: str) -> Answer:
        """See Operations."""
        return self._call("retry", READS_SYSTEMS, sync=sync, key=key)

    def drop(self, sync: str, key: str, *, actor: str, reason: str) -> Answer:
        """See Operations."""
        return self._call("drop", READS_SYSTEMS, sync=sync, key=key, reason=reason)

    def pairs(self, sync: str, *, states: Sequence[str], after: int, limit: int) -> Answer:
        """See Operations."""
        return self._call("pairs", QUICK, sync=sync, states=list(states), after=after, limit=limit)

    def pair(self, sync: str, key: str) -> Answer:
        """See Operations."""
        return self._call("pair", QUICK, sync=sync, key=key)

    def import_pairs(
        self, sync: str, *, rows: Sequence[tuple[int, str, str]], dry_run: bool, actor: str, reason: str
    ) -> Answer:
        """See Operations."""
        return self._call("import_pairs", READS_SYSTEMS, sync=sync, rows=list(rows), dry_run=dry_run, reason=reason)

    def unlink(self, sync: str, key: str, *, actor: str, reason: str) -> Answer:
        """See Operations."""
        return self._call("unlink", READS_SYSTEMS, sync=sync, key=key, reason=reason)

    def conflicts(self, sync: str | None) -> Answer:
        """See Operations."""
        return self._call("conflicts", QUICK, sync=sync)

    def resolve(self, sync: str, key: str, *, take: Take, fields: Sequence[str], actor: str, reason: str) -> Answer:
        """See Operations."""
        return self._call("resolve", READS_SYSTEMS, sync=sync, key=key, take=take, fields=list(fields), reason=reason)

    def audit_verify(self, *, expect_size: int | None, max_age: float | None) -> Answer:
        """See Operations."""
        return self._call("audit_verify", READS_SYSTEMS, expect_size=expect_size, max_age=max_age)

    def audit_show(self, *, start: int | None, limit: int, match: Mapping[str, str], actor: str) -> Answer:
        """See Operations."""
        return self._call("audit_show", READS_SYSTEMS, start=start, limit=limit, match=dict(match))

    def _call(self, verb: str, deadline: float, **arguments: Any) -> Answer:
        connection = _Connection(self._path, deadline)
        try:
            connection.request(
                "POST",
                f"/v1/{verb}",
                wire.encode(arguments),
                {"content-type": "application/json", "host": "tallystick"},
            )
            response = connection.getresponse()
            raw = response.read()
        except TimeoutError:
            raise TallystickError(
                f"the daemon has not answered `{verb}` for {deadline:.0f} seconds; look with `tallystick status`"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise TallystickError(
                f"the daemon went away during `{verb}` ({error or type(error).__name__}); look with `tallystick status`"
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            raise wire.to_error(raw)
        answer: Answer = wire.decode(raw)
        return answer

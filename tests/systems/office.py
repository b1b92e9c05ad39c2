"""This is where a test finds a whole office: HR (SCIM), a directory (LDAP), and a Tallystick set up as one would."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import ldap3

from daemon.admin import client
from daemon.errors import NoSuch
from tests.cli.calling import TALLYSTICK, call_here
from tests.systems.scim import ENTERPRISE, USER, Scim
from tests.systems.slapd import Slapd

_LOGGED = re.compile(r" conn=(\d+) op=(\d+) (BIND|ADD|MOD|MODRDN|DEL|RESULT) ((?:dn=|tag=).*)")

HOUSE = """\
version: 1
node: office
log: {level: info}
"""
HR = """\
version: 1
name: hr
connector: scim2
type: hr
base_url: %(hr)s
auth: {kind: bearer, token: {secret: hr-token}}
retry: {within: 1s}
breaker: {recovery: 1s}
entities:
  user:
    read: {list: {query: {count: 200}}} # this server gives as many at once
    capabilities: {processing_window: 2s} # a lost answer is looked into after that
"""
DIRECTORY = """\
version: 1
name: directory
connector: openldap
url: %(directory)s
ca: ca.pem
bind_dn: %(login)s
password: {secret: directory-password}
base: %(base)s
receive_timeout: 2s
entities:
  person:
    base: %(people)s
    many: [objectClass, memberOf] # this directory keeps one mail address a person
"""
PEOPLE = """\
# HR decides who works here and what they are called; phone and title are corrected on either side.
version: 1
name: people
left: {system: hr, entity: user}
right: {system: directory, entity: person}
manual: true
match_on: [[number]]
fields:
  number: {left: '"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User".employeeNumber', right: employeeNumber, owner: left}
  login: {left: userName, right: uid, owner: left} # uid names the entry: another login is another name
  given: {left: name.givenName, right: givenName, owner: left}
  family: {left: name.familyName, right: sn, owner: left}
  common: {left: "join_present(' ', [name.givenName, name.familyName])", right: cn, owner: left}
  shown: {left: "join_present(', ', [name.familyName, name.givenName])", right: displayName, owner: left}
  mail: {left: "emails[type=work].value", right: mail, type: email, wins: left}
  phone: {left: "phoneNumbers[type=work].value", right: telephoneNumber, type: phone, region: DE, wins: ask}
  title: {left: title, right: title, wins: ask}
  employed: {left: active, right: employeeType, type: boolean, values: {"true": employed, "false": left}, wins: left}
cases: {new_left: create, new_right: hold, gone_left: delete, gone_right: hold}
"""  # noqa: E501  # as a person would write it
BADGES = """\
# The gate's list of guards. It has nothing to do with the directory.
version: 1
name: badges
left: {system: hr, entity: user, scope: "title == 'Guard'"}
right: {system: gate, entity: badge}
manual: true
match_on: [[login]]
fields:
  login: {left: userName, right: login, owner: left}
  name: {left: name.familyName, right: name, owner: left}
"""
GATE = """\
version: 1
name: gate
connector: csv
folder: gate
entities:
  badge: {path: badges.csv, key: [login]}
"""


class Office:
    """Two real servers and the real daemon between them, each in a process or thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.hr = Scim()
        self.directory = Slapd(folder / "slapd", loglevel="stats")
        self.folder = folder / "tallystick"
        self.secrets = self.folder / "secrets.d"
        self.log = folder / "daemon.log"
        self.ids: dict[str, str] = {}
        """HR's ids of people, by employee number."""
        self._process: subprocess.Popen[bytes] | None = None
        self._ldap: Any = None
        self._lay_out()

    def __enter__(self) -> "Office":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._ldap is not None:
            self._ldap.unbind()
        self.directory.stop()
        self.hr.__exit__(kind, error, trace)

    # -- Tallystick

    def tallystick(self, *words: str, expect: int | None = 0) -> str:
        """Types a command and holds its exit code against *expect* (None: any): what it printed."""
        done = self._typed(*words, expect=expect)
        return done.stdout + done.stderr

    def ask(self, *words: str, expect: int | None = 0) -> Any:
        """The same as JSON."""
        return json.loads(self._typed(*words, "-o", "json", expect=expect).stdout)

    def _typed(self, *words: str, expect: int | None) -> "subprocess.CompletedProcess[str]":
        done = call_here(*words, folder=self.folder)
        told = done.stdout + done.stderr
        assert expect in (None, done.returncode), f"tallystick {' '.join(words)} ended with {done.returncode}:\n{told}"
        return done

    def run(self, *words: str, expect: int | None = 0) -> Mapping[str, Any]:
        """One run of the people: its report."""
        report: Mapping[str, Any] = self.ask("run", "people", *words, expect=expect)
        return report

    def serve(self, *, failpoint: str = "") -> None:
        """Starts the daemon and waits until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*TALLYSTICK, "--config", str(self.folder), "serve"], stdout=log, stderr=log,
                env={**os.environ, "TALLYSTICK_FAILPOINT": failpoint},
            )  # fmt: skip
        end = time.monotonic() + 15
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(NoSuch):
                client.connect(self.folder / "state/admin.sock").status()
                return
            time.sleep(0.02)
        raise AssertionError(self.log.read_text()[-3000:])

    def kill(self) -> None:
        """Ends the daemon as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def died(self) -> bool:
        """Whether the daemon was killed with -9 by its own hand."""
        assert self._process is not None
        return self._process.wait(10) == -signal.SIGKILL

    def write_secret(self, name: str, value: str) -> None:
        """What an administrator puts into secrets.d."""
        (self.secrets / name).write_text(value + "\n")
        (self.secrets / name).chmod(0o600)

    # -- the directory

    @property
    def ldap(self) -> Any:
        """The directory's own administrator."""
        if self._ldap is None or self._ldap.closed:
            server = ldap3.Server("127.0.0.1", self.directory.port, get_info=ldap3.NONE)
            self._ldap = ldap3.Connection(
                server, self.directory.admin, self.directory.password, auto_bind=True, check_names=False
            )
        return self._ldap

    def restart_directory(self, *, password: str) -> None:
        """The directory's administrator gives Tallystick's login another password and starts the server anew."""
        change = {"userPassword": [(ldap3.MODIFY_REPLACE, [password])]}
        assert self.ldap.modify(self.directory.sync, change), self.ldap.result
        self.ldap.unbind()
        self.directory.stop()
        self.directory.start()

    def entries(self) -> dict[str, dict[str, Any]]:
        """Everybody in the directory by dn, with operational attributes; every attribute a list of texts."""
        found = self.ldap.extend.standard.paged_search(
            self.directory.people, "(objectClass=inetOrgPerson)", attributes=["*", "+"], paged_size=300
        )
        return {e["dn"]: {k: [v.decode() for v in vs] for k, vs in e["raw_attributes"].items()} for e in found}

    def entry(self, number: str) -> dict[str, Any]:
        """The one entry with this employee number: single values, and its dn."""
        (found,) = [(dn, e) for dn, e in self.entries().items() if e["employeeNumber"] == [number]]
        return {"dn": found[0]} | {name: values[0] for name, values in found[1].items()}

    def edit_entry(self, number: str, **attributes: str | None) -> None:
        """What a person in IT types into an entry. None empties an attribute."""
        changes = {name: [(ldap3.MODIFY_REPLACE, [] if v is None else [v])] for name, v in attributes.items()}
        assert self.ldap.modify(self.entry(number)["dn"], changes), self.ldap.result

    def add_entry(self, number: str, family: str) -> None:
        """A person that IT adds by hand."""
        attributes = {"sn": family, "cn": f"Ada {family}", "givenName": "Ada", "employeeNumber": number}
        dn = f"uid=p{number},{self.directory.people}"
        assert self.ldap.add(dn, ["inetOrgPerson"], attributes), self.ldap.result

    def directory_writes(self) -> dict[str, int]:
        """Writes that the directory took from Tallystick's login, by kind, as slapd's own log has them."""
        logins: dict[str, str] = {}
        asked: dict[tuple[str, str], str] = {}
        taken: Counter[str] = Counter()
        for conn, op, what, more in _LOGGED.findall(self.directory.log.read_text(errors="replace")):
            if what == "BIND":
                logins[conn] = more
            elif what != "RESULT":
                asked[conn, op] = what
            elif (kind := asked.pop((conn, op), None)) and self.directory.sync in logins[conn] and " err=0 " in more:
                taken[kind] += 1
        return dict(taken)

    # -- HR

    def hire(self, number: str, family: str, **more: Any) -> str:
        """Somebody begins: the user's id in HR."""
        user = {
            "schemas": [USER, ENTERPRISE],
            "userName": f"p{number}",
            "name": {"givenName": "Ada", "familyName": family},
            "emails": [{"value": f"{family.encode().hex()}@corp.example", "type": "work"}],
            "active": True,
            ENTERPRISE: {"employeeNumber": number},
        }
        self.ids[number] = self.hr.hire(user | more)
        return self.ids[number]

    def _lay_out(self) -> None:
        for name in ("systems", "syncs", "secrets.d", "gate"):
            (self.folder / name).mkdir(parents=True)
        places = {
            "hr": self.hr.url, "directory": self.directory.url, "login": f'"{self.directory.sync}"',
            "base": f'"{self.directory.base}"', "people": f'"{self.directory.people}"',
        }  # fmt: skip
        files = {
            "tallystick": HOUSE, "systems/hr": HR, "systems/directory": DIRECTORY, "systems/gate": GATE,
            "syncs/people": PEOPLE, "syncs/badges": BADGES,
        }  # fmt: skip
        for name, text in files.items():
            (self.folder / f"{name}.yaml").write_text(text % places if "%(" in text else text)
        shutil.copy(self.directory.ca, self.folder / "ca.pem")
        (self.folder / "gate/badges.csv").write_text("login,name\n")
        self.write_secret("hr-token", self.hr.token)
        self.write_secret("directory-password", self.directory.password)
